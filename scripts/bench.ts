/**
 * The benchmark (docs/performance.md): every figure that matters is a ratio of
 * two things measured in one run, on one machine.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import {
  BACKLOG_CHANGES,
  writeBacklog,
  writeHugeTransaction,
  writeSmallTransactions,
} from "./bench/backlog";
import {
  bareCopy,
  drainWithRecvlogical,
  drainWithWorker,
  PG_RECVLOGICAL,
} from "./bench/drain";
import { measureLatency } from "./bench/latency";
import { BENCH_SETTINGS, Pair, PUBLICATION } from "./bench/pair";
import { measureWriteCost } from "./bench/write-cost";
import { Cluster } from "./cluster";
import { withProgress } from "./progress";

const SMALL_TRANSACTIONS = 50_000;
const HUGE_ROWS = 2_000_000;
const LATENCY = { perSecond: 500, seconds: 20 };
const DISCARD = [
  "--import",
  "tsx",
  join(__dirname, "bench", "discard-worker.ts"),
];
const INDEXES = [
  "before",
  "after",
  "context",
  "operation",
  "table_primary_key",
  "committed_at",
];

/** Name of a figure to one value a round. */
type Figures = Map<string, number[]>;
type Clusters = Pair["clusters"];

const sections: Readonly<
  Record<string, (clusters: Clusters, figures: Figures) => Promise<void>>
> = {
  backlog: benchBacklog,
  plain: benchWithoutIndexes,
  small: benchSmallTransactions,
  latency: benchLatency,
  memory: benchMemory,
  context: benchWriteCost,
};

const program = new Command()
  .name("npm run bench --")
  .option("--json <file>", "also write the figures as JSON")
  .option("--rounds <number>", "rounds of each section; the median counts", "3")
  .option("--only <sections>", `some of ${Object.keys(sections).join(",")}`)
  .parse();

void main(program.opts<{ json?: string; rounds: string; only?: string }>());

async function main(options: {
  json?: string;
  rounds: string;
  only?: string;
}): Promise<void> {
  const rounds = Number(options.rounds);
  const names = options.only?.split(",") ?? Object.keys(sections);
  const unknown = names.filter((name) => !(name in sections));
  if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
    console.error(
      `--only takes ${Object.keys(sections).join(",")}; --rounds a whole number from 1; got ${options.only}, ${options.rounds}`,
    );
    process.exit(2);
  }
  await using source = await Cluster.start({ settings: BENCH_SETTINGS });
  await using destination = await Cluster.start({ settings: BENCH_SETTINGS });
  const figures: Figures = new Map();
  for (const name of names) {
    for (let round = 1; round <= rounds; round++) {
      await withProgress(`${name} ${round}/${rounds}`, async () =>
        sections[name]?.({ source, destination }, figures),
      );
    }
  }
  report(figures, options.json);
}

async function benchBacklog(
  clusters: Clusters,
  figures: Figures,
): Promise<void> {
  await using pair = await Pair.create(clusters, ["recv", "discard"]);
  const end = await writeBacklog(pair.source);
  const worker = await drainWithWorker({ env: pair.env("worker") }, () =>
    pair.stored(end),
  );
  add(figures, "backlog: worker, s", worker.seconds);
  add(figures, "backlog: worker, changes/s", BACKLOG_CHANGES / worker.seconds);
  const merge = performance.now();
  await pair.destination.query("VACUUM public.changes");
  add(
    figures,
    "backlog: GIN's deferred merging afterwards, s",
    (performance.now() - merge) / 1000,
  );
  const copy = await bareCopy(
    pair.destination,
    clusters.destination.dataFolder,
  );
  add(figures, "backlog: bare COPY of the same rows, s", copy);
  add(figures, "backlog: worker / bare COPY", worker.seconds / copy);
  const discard = await drainWithWorker(
    { env: pair.env("discard"), program: DISCARD },
    () => pair.confirmed("discard", end),
  );
  add(
    figures,
    "backlog: reading and rendering alone, changes/s",
    BACKLOG_CHANGES / discard.seconds,
  );
  if (!PG_RECVLOGICAL) return;
  const recv = await drainWithRecvlogical(
    clusters.source,
    {
      database: pair.database,
      name: pair.slot("recv"),
      publication: PUBLICATION,
    },
    end,
  );
  add(
    figures,
    "backlog: pg_recvlogical, changes/s",
    BACKLOG_CHANGES / recv.seconds,
  );
  add(
    figures,
    "backlog: reading and rendering / pg_recvlogical, rate",
    recv.seconds / discard.seconds,
  );
}

async function benchWithoutIndexes(
  clusters: Clusters,
  figures: Figures,
): Promise<void> {
  await using pair = await Pair.create(clusters);
  for (const name of INDEXES)
    await pair.destination.query(`DROP INDEX public.changes_${name}_idx`);
  const end = await writeBacklog(pair.source);
  const worker = await drainWithWorker({ env: pair.env("worker") }, () =>
    pair.stored(end),
  );
  const copy = await bareCopy(
    pair.destination,
    clusters.destination.dataFolder,
  );
  add(
    figures,
    "backlog, primary key only: worker, changes/s",
    BACKLOG_CHANGES / worker.seconds,
  );
  add(
    figures,
    "backlog, primary key only: worker / bare COPY",
    worker.seconds / copy,
  );
}

async function benchSmallTransactions(
  clusters: Clusters,
  figures: Figures,
): Promise<void> {
  await using pair = await Pair.create(clusters, ["recv"]);
  const end = await writeSmallTransactions(pair.source, SMALL_TRANSACTIONS);
  const worker = await drainWithWorker({ env: pair.env("worker") }, () =>
    pair.stored(end),
  );
  add(
    figures,
    "50k transactions with context: worker, tx/s",
    SMALL_TRANSACTIONS / worker.seconds,
  );
  if (!PG_RECVLOGICAL) return;
  const recv = await drainWithRecvlogical(
    clusters.source,
    {
      database: pair.database,
      name: pair.slot("recv"),
      publication: PUBLICATION,
    },
    end,
  );
  add(
    figures,
    "50k transactions with context: pg_recvlogical, tx/s",
    SMALL_TRANSACTIONS / recv.seconds,
  );
  add(
    figures,
    "50k transactions with context: worker / pg_recvlogical, rate",
    recv.seconds / worker.seconds,
  );
}

async function benchLatency(
  clusters: Clusters,
  figures: Figures,
): Promise<void> {
  await using pair = await Pair.create(clusters);
  const { p50Ms, p99Ms, perSecond } = await measureLatency(pair, LATENCY);
  add(figures, "latency: transactions/s", perSecond);
  add(figures, "latency: commit to visible, p50 ms", p50Ms);
  add(figures, "latency: commit to visible, p99 ms", p99Ms);
}

async function benchMemory(
  clusters: Clusters,
  figures: Figures,
): Promise<void> {
  await using pair = await Pair.create(clusters);
  const end = await writeHugeTransaction(pair.source, HUGE_ROWS);
  const { peakRssMiB, seconds } = await drainWithWorker(
    { env: pair.env("worker"), nodeOptions: ["--max-old-space-size=256"] },
    () => pair.stored(end),
  );
  add(figures, "one transaction of 2 million rows: peak RSS, MiB", peakRssMiB);
  add(
    figures,
    "one transaction of 2 million rows: changes/s",
    HUGE_ROWS / seconds,
  );
}

async function benchWriteCost(
  clusters: Clusters,
  figures: Figures,
): Promise<void> {
  await using pair = await Pair.create(clusters);
  const without = await measureWriteCost(pair.source, SMALL_TRANSACTIONS, {
    withContext: false,
  });
  const withContext = await measureWriteCost(pair.source, SMALL_TRANSACTIONS, {
    withContext: true,
  });
  add(
    figures,
    "context at the source: time with / without",
    withContext.seconds / without.seconds,
  );
  add(
    figures,
    "context at the source: WAL with / without",
    withContext.walMiB / without.walMiB,
  );
}

function add(figures: Figures, name: string, value: number): void {
  figures.set(name, [...(figures.get(name) ?? []), value]);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function report(figures: Figures, json: string | undefined): void {
  const table = new Table({
    head: ["figure", "median", "min", "max"],
    style: { head: [], border: [] },
  });
  const digits = (value: number) =>
    value >= 100 ? value.toFixed(0) : value.toFixed(2);
  for (const [name, values] of figures) {
    table.push(
      [name, median(values), Math.min(...values), Math.max(...values)].map(
        (cell) => (typeof cell === "number" ? digits(cell) : cell),
      ),
    );
  }
  console.log(table.toString());
  const missing = PG_RECVLOGICAL
    ? ""
    : "; pg_recvlogical is not installed (Debian: postgresql-client-15), its ratios are left out";
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, PostgreSQL 18 for both sides on the same machine${missing}`,
  );
  if (!json) return;
  writeFileSync(
    json,
    `${JSON.stringify({ node: process.version, cpus: cpus().length, figures: Object.fromEntries(figures) }, null, 2)}\n`,
  );
}
