/**
 * One run of the fault suite: writers, worker, faults between them for a set
 * time, and then the comparison with what the writers know to be committed.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Client } from "pg";
import { Releases } from "../../worker/releases";
import type { Cluster } from "../cluster";
import { eventually } from "../eventually";
import { withProgress } from "../progress";
import { Comparison } from "./comparison";
import type { Through } from "./fault-action";
import { runFaults, type Targets } from "./faults";
import { KeptWorker } from "./kept-worker";
import { Ledger } from "./ledger";
import { tablesOf } from "./mix";
import { OPEN_SITE } from "./open-site";
import { planFaults } from "./plan";
import type { SoakReport } from "./report";
import { DATABASE } from "./site";
import { areStored, storedChanges, TrailWatch } from "./trail-watch";
import { LedgerWriter } from "./writer";

/** Of servers and worker; they stay there when a run fails. */
const LOGS = join(dirname(dirname(__dirname)), "dist", "soak");
const WRITERS = ["ann", "bob", "cid"] as const;
const MAX_PAUSE_MS = 30;
const BEGIN_TIMEOUT_MS = 60_000;
const SETTLE_TIMEOUT_MS = 240_000;

export interface SoakOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** @default direct */
  readonly through?: Through;
  /** For the worker, over what the run sets. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { seed, durationMs, through = "direct", env = {} } = options;
  const folder = join(LOGS, `${through}-seed-${seed}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await using releases = new Releases();
  const targets = await begin(releases, { folder, through, env });
  const { worker } = targets;
  const { clusters } = targets.site;

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
    () =>
      runFaults(planFaults(seed, durationMs, through), targets, stop.signal),
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
    ...{ seed, through, folder, faults, isSettled, comparison, worker },
    transactions: ledger.transactions.length,
    longestOutageMs: watch.longestOutageMs,
  };
}

/** Servers, the way to them, and a worker that streams. */
async function begin(
  releases: Releases,
  run: Required<Pick<SoakOptions, "through" | "env">> & {
    readonly folder: string;
  },
): Promise<Targets> {
  const { folder, through, env } = run;
  const site = await withProgress("Starting servers and the way to them", () =>
    OPEN_SITE[through](releases, folder),
  );
  const { clusters, enter } = site;
  for (const cluster of Object.values(clusters)) {
    await cluster.createDatabase(DATABASE);
  }
  await makeTables(clusters.source);
  const worker = releases.use(
    new KeptWorker({
      logFile: join(folder, "worker.log"),
      enter,
      env: { ...site.env, ...env },
    }),
  );
  await withProgress("Waiting for the trail to begin", () =>
    eventually("a stream", () => hasStream(clusters.source), BEGIN_TIMEOUT_MS),
  );
  return { worker, site };
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
