/**
 * The source's name leads to another address: found by a look-up at every
 * attempt, gone on with at the same server, refused at another.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { Forwarder } from "../support/forwarder";
import { healthOf } from "../support/health";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const NAME = "source.test";
const FIRST = "127.0.0.1";
const SECOND = "127.0.0.2";

let source: Cluster;
let destination: Cluster;
beforeAll(async () => {
  [source, destination] = await Promise.all([
    Cluster.start({ settings: { fsync: "off" } }),
    Cluster.start({ settings: { fsync: "off" } }),
  ]);
});
afterAll(async () => {
  await source?.[Symbol.asyncDispose]();
  await destination?.[Symbol.asyncDispose]();
});

/** A resolver that knows one name more: its address is a file's text. */
class Names {
  readonly #folder = mkdtempSync(join(tmpdir(), "names-"));
  readonly #file = join(this.#folder, "address");
  readonly preload = join(this.#folder, "lookup.cjs");

  constructor() {
    writeFileSync(
      this.preload,
      `const dns = require("node:dns");
const { readFileSync } = require("node:fs");
const lookup = dns.lookup;
dns.lookup = (name, options, done) => {
  if (name !== ${JSON.stringify(NAME)}) return lookup(name, options, done);
  const address = readFileSync(${JSON.stringify(this.#file)}, "utf8");
  const callback = done ?? options;
  if (!address) {
    const error = Object.assign(new Error("not found"), { code: "ENOTFOUND" });
    process.nextTick(callback, error);
  } else if (options.all) {
    process.nextTick(callback, null, [{ address, family: 4 }]);
  } else process.nextTick(callback, null, address, 4);
};`,
    );
  }

  leadTo(address: string): void {
    writeFileSync(this.#file, address);
  }
}

async function start(
  trail: Trail,
  names: Names,
  port: number,
): Promise<WorkerProcess> {
  return trail.streaming(
    { DB_HOST: NAME, DB_PORT: String(port), DB_SSLMODE: "disable" },
    { nodeOptions: ["--require", names.preload] },
  );
}

const create = () =>
  Trail.create({
    source,
    destination,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
  });

test("a server that moves to another address is found there, also when its name is gone for a while", async () => {
  await using trail = await create();
  await using first = await Forwarder.start(source);
  const at = { host: SECOND, port: first.port };
  await using second = await Forwarder.start(source, at);
  const names = new Names();
  names.leadTo(FIRST);
  const worker = await start(trail, names, first.port);
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
  expect(second.connections).toBe(0);

  names.leadTo("");
  first.moveTo(undefined);
  await eventually("the name is missing", async () =>
    (await healthOf(worker)).problem?.includes("ENOTFOUND"),
  );
  await trail.source.query("INSERT INTO item VALUES (2)");
  names.leadTo(SECOND);
  const { connections } = first;
  await trail.reached(2);
  expect(second.connections).toBeGreaterThan(0);
  expect(first.connections).toBe(connections);
});

test("a name that moves to another server ends the worker with 3", async () => {
  await using trail = await create();
  await using other = await Cluster.start({ settings: { fsync: "off" } });
  await other.createDatabase(trail.database);
  await using forwarder = await Forwarder.start(source);
  // Of the same password, or it would be a log-in that is waited out.
  const admin = await other.client();
  await admin.query(`ALTER ROLE postgres PASSWORD '${source.password}'`);
  await admin.end();
  const at = { host: SECOND, port: forwarder.port };
  await using second = await Forwarder.start(other, at);
  const names = new Names();
  names.leadTo(FIRST);
  const worker = await start(trail, names, forwarder.port);
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
  names.leadTo(SECOND);
  forwarder.moveTo(undefined);
  expect(await worker.exited).toEqual({ code: 3, signal: null });
  expect(worker.lines.at(-1)?.msg).toContain("different source");
  expect(second.connections).toBeGreaterThan(0);
  expect(await trail.count()).toBe(1);
});
