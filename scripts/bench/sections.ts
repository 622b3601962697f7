/** What is measured, one function a section; each on databases of its own. */
import { Releases } from "../../worker/releases";
import {
  BACKLOG_CHANGES,
  writeBacklog,
  writeHugeTransaction,
  writeSmallTransactions,
} from "./backlog";
import { measureContextCost } from "./context-cost";
import {
  bareCopy,
  DISCARD_BUNDLE,
  drainWithRecvlogical,
  drainWithWorker,
  PG_RECVLOGICAL,
  type RunningWorker,
  runningWorker,
} from "./drain";
import type { Figures } from "./figures";
import { measureIndexSet, OWN_INDEX_SETS } from "./index-sets";
import { measureLatency } from "./latency";
import { Pair, PUBLICATION } from "./pair";
import { measureShards } from "./shards";

const SMALL_TRANSACTIONS = 50_000;
const HUGE_ROWS = 2_000_000;
const LATENCY = { perSecond: 500, seconds: 20 };
const INDEXES = [
  "before",
  "after",
  "context",
  "operation",
  "table_primary_key",
  "committed_at",
];

type Section = (clusters: Pair["clusters"], figures: Figures) => Promise<void>;

export const SECTIONS: Readonly<Record<string, Section>> = {
  async backlog(clusters, figures) {
    await using pair = await Pair.create(clusters, ["recv", "discard"]);
    const end = await writeBacklog(pair.source);
    const seconds = await drain(pair, end);
    figures.add("backlog: worker, changes/s", BACKLOG_CHANGES / seconds);
    const start = performance.now();
    await pair.destination.query("VACUUM public.changes");
    figures.add(
      "backlog: GIN's deferred merging afterwards, s",
      (performance.now() - start) / 1000,
    );
    figures.add(
      "backlog: worker / bare COPY, time",
      seconds / (await copyOf(pair)),
    );
    const rendering = await drainWithWorker(
      { env: pair.env("discard"), program: [DISCARD_BUNDLE] },
      () => pair.confirmed("discard", end),
    );
    figures.add(
      "backlog: reading and rendering alone, changes/s",
      BACKLOG_CHANGES / rendering.seconds,
    );
    const yardstick = await recvlogical(pair, end);
    if (yardstick === undefined) return;
    figures.add(
      "backlog: reading and rendering / pg_recvlogical, rate",
      yardstick / rendering.seconds,
    );
  },

  async plain(clusters, figures) {
    await using pair = await Pair.create(clusters);
    for (const name of INDEXES) {
      await pair.destination.query(`DROP INDEX public.changes_${name}_idx`);
    }
    const seconds = await drain(pair, await writeBacklog(pair.source));
    figures.add(
      "backlog, primary key only: worker, changes/s",
      BACKLOG_CHANGES / seconds,
    );
    figures.add(
      "backlog, primary key only: worker / bare COPY, time",
      seconds / (await copyOf(pair)),
    );
  },

  async indexes(clusters, figures) {
    await using pair = await Pair.create(clusters);
    await drain(pair, await writeBacklog(pair.source));
    const parts = { stored: pair.destination, cluster: clusters.destination };
    const bemi = await measureIndexSet("Bemi's", parts);
    figures.add("indexes, Bemi's: writing, s", bemi.writingSeconds);
    const bemiSeconds = bemi.writingSeconds + bemi.mergingSeconds;
    for (const set of OWN_INDEX_SETS) {
      const { writingSeconds, mergingSeconds } = await measureIndexSet(
        set,
        parts,
      );
      figures.add(
        `indexes, ${set} / Bemi's: writing`,
        writingSeconds / bemi.writingSeconds,
      );
      figures.add(
        `indexes, ${set} / Bemi's: writing and merging`,
        (writingSeconds + mergingSeconds) / bemiSeconds,
      );
    }
  },

  async small(clusters, figures) {
    await using pair = await Pair.create(clusters, ["recv"]);
    await using releases = new Releases();
    let worker: RunningWorker | undefined;
    // A process that has just begun is still being compiled; a worker runs for
    // weeks. So the same one drains as much again.
    for (const [session, name] of [
      "a new worker",
      "a worker that runs",
    ].entries()) {
      await pair.closeSource();
      const end = await writeSmallTransactions(pair.source, SMALL_TRANSACTIONS);
      await pair.openSource();
      worker ??= releases.use(await runningWorker({ env: pair.env("worker") }));
      const { seconds } = await worker.drain(session + 1, () =>
        pair.stored(end),
      );
      figures.add(
        `50k transactions with context, ${name}: tx/s`,
        SMALL_TRANSACTIONS / seconds,
      );
      const yardstick = await recvlogical(pair, end);
      if (yardstick === undefined) continue;
      figures.add(
        `50k transactions with context, ${name} / pg_recvlogical, rate`,
        yardstick / seconds,
      );
    }
  },

  async shards(clusters, figures) {
    const { one, two } = await measureShards(clusters);
    figures.add("shards: one worker, changes/s", one);
    figures.add("shards: two workers / one, rate", two / one);
  },

  async latency(clusters, figures) {
    await using pair = await Pair.create(clusters);
    const { p50Ms, p99Ms, perSecond } = await measureLatency(pair, LATENCY);
    figures.add("latency: transactions/s", perSecond);
    figures.add("latency: commit to visible, p50 ms", p50Ms);
    figures.add("latency: commit to visible, p99 ms", p99Ms);
  },

  async memory(clusters, figures) {
    await using pair = await Pair.create(clusters);
    const end = await writeHugeTransaction(pair.source, HUGE_ROWS);
    const { peakRssMiB } = await drainWithWorker(
      {
        env: pair.env("worker"),
        nodeOptions: ["--max-old-space-size=256"],
      },
      () => pair.stored(end),
    );
    figures.add("one transaction of 2 million rows: peak RSS, MiB", peakRssMiB);
  },

  async context({ source }, figures) {
    await using releases = new Releases();
    await source.createDatabase("bench_context");
    const client = await source.client("bench_context");
    releases.defer(async () => {
      await client.end();
      const admin = await source.client();
      await admin.query("DROP DATABASE bench_context");
      await admin.end();
    });
    await measureContextCost(client, figures);
  },
};

async function drain(pair: Pair, end: string): Promise<number> {
  const { seconds } = await drainWithWorker({ env: pair.env("worker") }, () =>
    pair.stored(end),
  );
  return seconds;
}

function copyOf(pair: Pair): Promise<number> {
  return bareCopy(pair.destination, pair.clusters.destination.dataFolder);
}

/** Undefined where it is not installed. */
async function recvlogical(
  pair: Pair,
  end: string,
): Promise<number | undefined> {
  if (!PG_RECVLOGICAL) return undefined;
  const { seconds } = await drainWithRecvlogical(
    pair.clusters.source,
    {
      database: pair.database,
      name: pair.slot("recv"),
      publication: PUBLICATION,
    },
    end,
  );
  return seconds;
}
