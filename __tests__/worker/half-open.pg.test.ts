/**
 * Connections that stay open while nothing passes any more, as a firewall
 * or a moved tunnel leaves them, to either server, under load: noticed in time,
 * and nothing lost or doubled.
 */
import { Cluster } from "../../scripts/cluster";
import {
  DIRECTIONS,
  type Direction,
  FaultProxy,
} from "../../scripts/soak/fault-proxy";
import { Releases } from "../../worker/releases";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const SENDER_TIMEOUT_MS = 4_000;
const SOURCE_LIMIT_MS = 2.5 * SENDER_TIMEOUT_MS;
/** Seven ticks of five seconds (watchdog.ts). */
const DESTINATION_LIMIT_MS = 35_000;
const MARGIN_MS = 3_000;

type Break = (proxy: FaultProxy) => void;

/** Until the worker has noticed; new connections get nowhere either. */
const blackHole =
  (...directions: Direction[]): Break =>
  (proxy) =>
    proxy.begin({ kind: "blackHole" }, directions);
/** New connections pass. */
const forget =
  (...directions: Direction[]): Break =>
  (proxy) =>
    proxy.forget(directions);
/** The answer to a COMMIT is lost, and with it the knowledge of its result. */
const loseCommit: Break = (proxy) => {
  proxy.onBytes = (direction, bytes) => {
    if (direction !== "toServer" || !bytes.includes("COMMIT")) return;
    proxy.onBytes = undefined;
    proxy.forget(["toClient"]);
  };
};

let source: Cluster;
let destination: Cluster;
beforeAll(async () => {
  const settings = { fsync: "off", max_connections: 100 };
  source = await Cluster.start({
    settings: { ...settings, wal_sender_timeout: SENDER_TIMEOUT_MS },
  });
  destination = await Cluster.start({ settings });
});
afterAll(async () => {
  await source?.[Symbol.asyncDispose]();
  await destination?.[Symbol.asyncDispose]();
});

describe("a half-open connection is noticed and replaced", () => {
  test.concurrent.each<[string, Break]>([
    ["in both directions", blackHole(...DIRECTIONS)],
    ["towards the worker", blackHole("toClient")],
    ["towards the source", blackHole("toServer")],
    ["that a firewall forgot", forget(...DIRECTIONS)],
  ])("to the source, %s", async (_, breakLine) => {
    await heals("DB_PORT", breakLine, SOURCE_LIMIT_MS);
  });

  test.concurrent.each<[string, Break]>([
    ["in both directions", blackHole(...DIRECTIONS)],
    ["towards the destination", blackHole("toServer")],
    ["that a firewall forgot", forget(...DIRECTIONS)],
    ["that lost the answer to a COMMIT", loseCommit],
  ])("to the destination, %s", async (_, breakLine) => {
    await heals("DEST_DB_PORT", breakLine, DESTINATION_LIMIT_MS);
  });
});

let count = 0;

async function heals(
  variable: "DB_PORT" | "DEST_DB_PORT",
  breakLine: Break,
  limitMs: number,
): Promise<void> {
  await using releases = new Releases();
  const name = `item${++count}`;
  const tables = ledgerTables(name);
  const server = variable === "DB_PORT" ? source : destination;
  const proxy = releases.use(await FaultProxy.start(server));
  const env = { [variable]: String(proxy.port) };
  const trail = releases.use(
    await Trail.create({ source, destination, tables, env }),
  );
  const worker = await trail.streaming();
  const load = releases.use(
    startLoad(trail, [name], { seed: count, maxPauseMs: 60 }),
  );
  await load.more(20);

  const start = performance.now();
  breakLine(proxy);
  await noticed(worker);
  expect(performance.now() - start).toBeLessThan(limitMs + MARGIN_MS);
  proxy.end();
  await load.more(20);
  await settle(trail, await load.finish());
}

/** Waits until the worker gives the connection up. */
async function noticed(worker: WorkerProcess): Promise<void> {
  const { error } = await worker.log(
    ({ retryInMs }) => retryInMs !== undefined,
  );
  // One end alone may also be told by the other's patience running out.
  expect(JSON.stringify(error)).toMatch(/half open|terminated|does not answer/);
}
