/**
 * Hundreds of tunnels one after the other, as a worker opens them over months:
 * each with a stream and a look-up in it, every second one cut in the middle.
 * Nothing of them stays, here or at the host.
 */
import { getEventListeners } from "node:events";
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { type Sshd, startSshd } from "../../scripts/lab/sshd";
import { FaultProxy } from "../../scripts/soak/fault-proxy";
import { Servers } from "../../worker/network/servers";
import { readSettings, type Settings } from "../../worker/settings/settings";
import { prepareStream } from "../../worker/source/session";
import { openReplication } from "../../worker/stream/replication";
import { testWithSshd } from "../support/sshd";
import { workerEnvironment } from "../support/worker-process";

const WARM_UP = 20;
const TUNNELS = 200;
const MAX_GROWTH_BYTES = 4_000_000;

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

testWithSshd("hundreds of tunnels leave nothing behind", async () => {
  await using cluster = await Cluster.start({ settings: { fsync: "off" } });
  await using host = await startSshd();
  await using proxy = await FaultProxy.start(host);
  const client = await cluster.client();
  await client.query("CREATE PUBLICATION bemi");
  await client.query(
    "SELECT pg_create_logical_replication_slot('bemi', 'pgoutput')",
  );
  const settings = readSettings({
    ...workerEnvironment(cluster, "postgres"),
    ...host.environment,
    SSH_PORT: String(proxy.port),
  });
  // The worker's own, for as long as it runs.
  const { signal } = new AbortController();
  const open = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      await openOne(settings, signal, () => {
        if (index % 2 === 1) proxy.cut();
      });
      await eventually("the slot is free", async () => {
        const { rows } = await client.query(
          "SELECT FROM pg_replication_slots WHERE NOT active",
        );
        return rows.length === 1;
      });
    }
  };
  await open(WARM_UP);
  const before = whatIsOpen(host, signal);
  await open(TUNNELS);
  // The last one's sockets are let go of in the next turns.
  await eventually("no more is open than before", async () => {
    const now = whatIsOpen(host, signal);
    return OPEN.every((kind) => now[kind] <= before[kind]);
  });
  const { heapBytes } = whatIsOpen(host, signal);
  expect(heapBytes - before.heapBytes).toBeLessThan(MAX_GROWTH_BYTES);
  expect(host.logins).toBe(WARM_UP + TUNNELS);
  await client.end();
});

/** `happens` while the stream runs. */
async function openOne(
  settings: Settings,
  signal: AbortSignal,
  happens: () => void,
): Promise<void> {
  await using servers = new Servers(settings, {
    applicationName: "reconnects",
    signal,
  });
  const lookUps = await servers.connectSource();
  await using _stream = await openReplication({
    config: await servers.sourceConfig(),
    slotName: "bemi",
    publicationName: "bemi",
    start: 0n,
    limitBytes: 64 * 1024,
    maxValueBytes: 1024,
    prepare: prepareStream,
    connectAgain: () => servers.connectSource(),
  });
  await lookUps.query("SELECT 1");
  happens();
}

const OPEN = [
  "connections",
  "files",
  "resources",
  "abortListeners",
  "exitListeners",
] as const;

/** Of this process, and of the host. */
function whatIsOpen(host: Sshd, signal: AbortSignal) {
  collect();
  return {
    connections: host.connections,
    files: readdirSync("/proc/self/fd").length,
    resources: process.getActiveResourcesInfo().length,
    abortListeners: getEventListeners(signal, "abort").length,
    exitListeners: process.listenerCount("exit"),
    heapBytes: process.memoryUsage().heapUsed,
  };
}
