/**
 * One run of the fault suite: writers, worker, faults between them for a set
 * time, and then the comparison with what the writers know to be committed.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Client } from "pg";
import { Releases } from "../../worker/releases";
import { Cluster } from "../cluster";
import { eventually } from "../eventually";
import { withProgress } from "../progress";
import { Comparison } from "./comparison";
import { FaultProxy } from "./fault-proxy";
import { runFaults, type Targets } from "./faults";
import { KeptWorker } from "./kept-worker";
import { Ledger } from "./ledger";
import { tablesOf } from "./mix";
import { planFaults } from "./plan";
import type { SoakReport } from "./report";
import { areStored, storedChanges, TrailWatch } from "./trail-watch";
import { LedgerWriter } from "./writer";

/** Of servers and worker; they stay there when a run fails. */
const LOGS = join(dirname(dirname(__dirname)), "dist", "soak");
const DATABASE = "soak";
const WRITERS = ["ann", "bob", "cid"] as const;
const MAX_PAUSE_MS = 30;
const BEGIN_TIMEOUT_MS = 60_000;
const SETTLE_TIMEOUT_MS = 240_000;
/** Short, so that a half-open connection is noticed within the run. */
const SENDER_TIMEOUT = "5s";

export interface SoakOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** For the worker, over what the run sets. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { seed, durationMs, env = {} } = options;
  const folder = join(LOGS, `seed-${seed}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await using releases = new Releases();
  const targets = await begin(releases, folder, env);
  const { worker, clusters } = targets;

  const stop = new AbortController();
  const over = new AbortController();
  releases.defer(() => over.abort());
  const ledger = new Ledger();
  const writing = write(clusters.source, { ledger, seed }, over.signal);
  const watch = new TrailWatch(clusters.destination, DATABASE);
  const watching = watch.run(over.signal);
  // Nothing more is to be learnt then.
  writing.catch(() => stop.abort());
  void worker.failed.then(() => stop.abort());
  const faults = await withProgress(
    `Writing and breaking things for ${durationMs / 60_000} minutes`,
    () => runFaults(planFaults(seed, durationMs), targets, stop.signal),
  );
  over.abort();
  await Promise.all([writing, watching]);

  const reader = await clusters.destination.client(DATABASE);
  const settling = () => settled(reader, ledger, worker);
  const isSettled = await withProgress("Letting the trail catch up", settling);
  const comparison = new Comparison(ledger);
  await withProgress("Comparing every row", () =>
    compareAll(reader, comparison),
  );
  await reader.end();
  return {
    ...{ seed, folder, faults, isSettled, comparison, worker },
    transactions: ledger.transactions.length,
    longestOutageMs: watch.longestOutageMs,
  };
}

/** Servers, the way to them, and a worker that streams. */
async function begin(
  releases: Releases,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<Targets> {
  const clusters = await withProgress("Starting two servers", async () => ({
    source: releases.use(await startCluster(folder, "source")),
    destination: releases.use(await startCluster(folder, "destination")),
  }));
  const proxies = {
    source: releases.use(await FaultProxy.start(clusters.source)),
    destination: releases.use(await FaultProxy.start(clusters.destination)),
  };
  for (const cluster of Object.values(clusters)) {
    await cluster.createDatabase(DATABASE);
  }
  await makeTables(clusters.source);
  const worker = releases.use(
    new KeptWorker({
      logFile: join(folder, "worker.log"),
      env: {
        ...connection("DB", clusters.source, proxies.source),
        ...connection("DEST_DB", clusters.destination, proxies.destination),
        HTTP_PORT: "0",
        ...env,
      },
    }),
  );
  await withProgress("Waiting for the trail to begin", () =>
    eventually("a stream", () => hasStream(clusters.source), BEGIN_TIMEOUT_MS),
  );
  return { worker, clusters, proxies, database: DATABASE };
}

async function write(
  source: Cluster,
  { ledger, seed }: { readonly ledger: Ledger; readonly seed: number },
  signal: AbortSignal,
): Promise<void> {
  const writers = WRITERS.map(
    (name, index) =>
      new LedgerWriter({
        connect: () => source.client(DATABASE),
        name,
        ledger,
        seed: seed + index,
        mix: "everything",
        maxPauseMs: MAX_PAUSE_MS,
      }),
  );
  await Promise.all(writers.map((writer) => writer.run(signal)));
}

/** Whether all that was committed arrives in time. */
async function settled(
  reader: Client,
  ledger: Ledger,
  worker: KeptWorker,
): Promise<boolean> {
  const arriving = eventually(
    "the last committed transactions are stored",
    () => areStored(reader, ledger.last),
    SETTLE_TIMEOUT_MS,
  );
  const arrived = arriving.then(
    () => true,
    () => false,
  );
  return Promise.race([arrived, worker.failed.then(() => false)]);
}

async function compareAll(
  reader: Client,
  comparison: Comparison,
): Promise<void> {
  for await (const page of storedChanges(reader)) {
    for (const change of page) comparison.add(change);
    if (comparison.isHopeless) return;
  }
  comparison.finish();
}

function startCluster(folder: string, name: string): Promise<Cluster> {
  return Cluster.start({
    logFile: join(folder, `${name}.log`),
    settings: {
      wal_sender_timeout: SENDER_TIMEOUT,
      max_prepared_transactions: 10,
      max_connections: 100,
    },
  });
}

async function makeTables(source: Cluster): Promise<void> {
  const client = await source.client(DATABASE);
  for (const name of WRITERS) await client.query(tablesOf(name, "everything"));
  await client.end();
}

async function hasStream(source: Cluster): Promise<boolean> {
  const client = await source.client(DATABASE);
  const { rowCount } = await client.query(
    "SELECT FROM pg_replication_slots WHERE active",
  );
  await client.end();
  return rowCount === 1;
}

function connection(
  prefix: "DB" | "DEST_DB",
  { user, password }: Cluster,
  proxy: FaultProxy,
): Record<string, string> {
  return {
    [`${prefix}_HOST`]: "127.0.0.1",
    [`${prefix}_PORT`]: String(proxy.port),
    [`${prefix}_NAME`]: DATABASE,
    [`${prefix}_USER`]: user,
    [`${prefix}_PASSWORD`]: password,
  };
}
