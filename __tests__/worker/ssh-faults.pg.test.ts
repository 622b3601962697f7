/**
 * What happens to jump hosts, and to the way to them, under load: the worker
 * goes on by itself, and nothing is lost or doubled.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { type Sshd, startSshd } from "../../scripts/lab/sshd";
import { DIRECTIONS, FaultProxy } from "../../scripts/soak/fault-proxy";
import { openTunnel } from "../../worker/network/tunnel";
import { Releases } from "../../worker/releases";
import { readSettings } from "../../worker/settings/settings";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import {
  type LoopbackServer,
  startLoopbackServer,
} from "../support/loopback-server";
import { testWithSshd } from "../support/sshd";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

/** The server lets go of a slot whose reader is gone after that. */
const SENDER_TIMEOUT_MS = 4_000;
/** Three to four keepalives of ten seconds (tunnel.ts). */
const SILENCE_LIMIT_MS = 40_000;
const MARGIN_MS = 5_000;

let cluster: Cluster;
beforeAll(async () => {
  // Each worker and server that runs listens for the end of this process.
  process.setMaxListeners(50);
  cluster = await Cluster.start({
    settings: {
      fsync: "off",
      max_connections: 100,
      wal_sender_timeout: SENDER_TIMEOUT_MS,
    },
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

interface Place {
  readonly host: Sshd;
  /** On the worker's way to the host. */
  readonly proxy: FaultProxy;
  readonly worker: WorkerProcess;
}

const blackHole =
  (...directions: (typeof DIRECTIONS)[number][]) =>
  async ({ proxy, worker }: Place): Promise<void> => {
    proxy.begin({ kind: "blackHole" }, directions);
    await failed(worker);
    proxy.end();
  };

describe("under load", () => {
  testWithSshd.concurrent.each<[string, (place: Place) => Promise<void>]>([
    [
      "a host that is switched off and on",
      async ({ host, worker }) => {
        await host.stop();
        await failed(worker);
        await host.startAgain();
      },
    ],
    ["a host that hangs", hang],
    ["connections that are cut", async ({ proxy }) => proxy.cut()],
    ["a black hole in both directions", blackHole(...DIRECTIONS)],
    ["a black hole towards the host", blackHole("toServer")],
    ["a black hole towards the worker", blackHole("toClient")],
    [
      "a firewall that forgot the connection",
      async ({ proxy }) => proxy.forget(),
    ],
  ])("%s", async (_name, happens) => {
    await using releases = new Releases();
    const name = `item${++count}`;
    const host = releases.use(await startSshd());
    const proxy = releases.use(await FaultProxy.start(host));
    const trail = releases.use(
      await Trail.create({
        source: cluster,
        destination: cluster,
        tables: ledgerTables(name),
        env: { ...host.environment, SSH_PORT: String(proxy.port) },
      }),
    );
    const worker = await trail.streaming();
    const load = releases.use(
      startLoad(trail, [name], { seed: count, maxPauseMs: 60 }),
    );
    await load.more(20);
    await happens({ host, proxy, worker });
    await worker.log(
      (line, index) =>
        line.msg === "streaming" &&
        worker.lines.slice(0, index).some(({ retryInMs }) => retryInMs),
      120_000,
    );
    await load.more(20);
    await settle(trail, await load.finish());
    expect(worker.hasExited).toBe(false);
  });

  testWithSshd.concurrent(
    "a restart of the service leaves the connection alone",
    async () => {
      await using releases = new Releases();
      const name = `item${++count}`;
      const host = releases.use(await startSshd());
      const trail = releases.use(
        await Trail.create({
          source: cluster,
          destination: cluster,
          tables: ledgerTables(name),
          env: host.environment,
        }),
      );
      const worker = await trail.streaming();
      const load = releases.use(startLoad(trail, [name], { seed: count }));
      const { logins } = host;
      await host.stop("stay");
      await host.startAgain();
      await load.more(20);
      await settle(trail, await load.finish());
      expect(host.logins).toBe(logins);
      expect(worker.lines.some(({ retryInMs }) => retryInMs)).toBe(false);
    },
  );
});

async function hang({ host, worker }: Place): Promise<void> {
  host.pause();
  await failed(worker);
  host.resume();
}

testWithSshd.concurrent(
  "a key's file that is being replaced is waited for",
  async () => {
    await using host = await startSshd();
    const file = join(mkdtempSync(join(tmpdir(), "ssh-key-")), "key");
    const { privateKey } = host.clientKey;
    writeFileSync(file, privateKey);
    await using trail = await Trail.create({
      source: cluster,
      destination: cluster,
      tables: "CREATE TABLE note (id int PRIMARY KEY)",
      env: { ...host.environment, SSH_PRIVATE_KEY: file },
    });
    const worker = await trail.streaming();
    const says = (what: string) =>
      worker.log(({ msg, retryInMs }) =>
        Boolean(
          retryInMs &&
            msg?.includes(`SSH_PRIVATE_KEY: cannot be used now: ${what}`),
        ),
      );
    writeFileSync(file, privateKey.slice(0, 150));
    await host.stop();
    await host.startAgain();
    await says("it is not whole");
    rmSync(file);
    await says("check the path (ENOENT)");
    const { logins } = host;
    writeFileSync(file, "");
    await says("it is empty");
    expect(host.logins).toBe(logins);
    writeFileSync(file, privateKey);
    await trail.source.query("INSERT INTO note VALUES (1)");
    await trail.reached(1);
    expect(worker.hasExited).toBe(false);
  },
);

testWithSshd.concurrent(
  "an idle tunnel into a black hole is noticed",
  async () => {
    await using host = await startSshd();
    await using proxy = await FaultProxy.start(host);
    await using tunnel = await openTunnelTo(host, proxy);
    const start = performance.now();
    proxy.begin({ kind: "blackHole" });
    expect((await tunnel.closed).message).toContain("nothing came for 30 s");
    const tookMs = performance.now() - start;
    expect(tookMs).toBeLessThan(SILENCE_LIMIT_MS + MARGIN_MS);
  },
);

testWithSshd.concurrent("an idle tunnel stays: the host is asked", async () => {
  await using host = await startSshd();
  await using proxy = await FaultProxy.start(host);
  await using tunnel = await openTunnelTo(host, proxy);
  let answers = 0;
  proxy.onBytes = (direction) => {
    if (direction === "toClient") answers++;
  };
  let lost: Error | undefined;
  void tunnel.closed.then((error) => {
    lost = error;
  });
  // Beside what the host says by itself after a log-in.
  const longEnough = SILENCE_LIMIT_MS / 10_000 + 2;
  await eventually(
    "answers for longer than a silence may last",
    async () => lost || answers > longEnough,
    2 * SILENCE_LIMIT_MS,
  );
  expect(lost).toBeUndefined();
});

testWithSshd.concurrent(
  "a slow line is not taken for a dead one: the answers to keepalives wait behind the rows",
  async () => {
    const bytesPerSecond = 32_000;
    await using host = await startSshd();
    await using proxy = await FaultProxy.start(host);
    await using database = await startFlood();
    await using tunnel = await openTunnelTo(host, proxy);
    proxy.begin({ kind: "throttle", bytesPerSecond }, ["toClient"]);
    const stream = await tunnel.connect("127.0.0.1", database.port);
    let received = 0;
    stream.on("data", (bytes: Buffer) => {
      received += bytes.length;
    });
    stream.on("error", () => undefined);
    let lost: Error | undefined;
    void tunnel.closed.then((error) => {
      lost = error;
    });
    const patience = (SILENCE_LIMIT_MS + MARGIN_MS) / 1000;
    await eventually(
      "as much came as a line of this speed carries in that time",
      async () => lost || received > patience * bytesPerSecond,
      2 * (SILENCE_LIMIT_MS + MARGIN_MS),
    );
    expect(lost).toBeUndefined();
  },
);

let count = 0;

/** Waits until the worker has given up at least one attempt. */
async function failed(worker: WorkerProcess): Promise<void> {
  await worker.log(({ retryInMs }) => retryInMs !== undefined);
}

async function openTunnelTo(host: Sshd, proxy: FaultProxy) {
  const source = { DB_HOST: "db", DB_NAME: "x", DB_USER: "x" };
  const ssh = { ...host.environment, SSH_PORT: String(proxy.port) };
  const settings = readSettings({ ...source, DB_PASSWORD: "x", ...ssh });
  if (!settings.ssh) throw new Error("there is no SSH_HOST");
  return openTunnel(settings.ssh, new AbortController().signal);
}

/** Sends for as long as somebody reads. */
function startFlood(): Promise<LoopbackServer> {
  return startLoopbackServer((socket) => {
    const send = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024)));
    };
    socket.on("drain", send);
    send();
  });
}
