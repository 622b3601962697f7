/** A context that comes after rows which are on their way already. */
import { readFile } from "node:fs/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: { fsync: "off", max_wal_size: "4GB", shared_buffers: "256MB" },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Half a minute on two idle cores; never what a test depends on. */
const MILLION_ROWS_TIMEOUT_MS = 300_000;
/** With it, 30,000 rows are several blocks and so several batches. */
const SMALLEST_BATCH = { BATCH_MAX_BYTES: "65536", INDEX_VALUES: "off" };
const context = (name: string) =>
  `SELECT pg_logical_emit_message(true, '_bemi', '{"s": "${name}"}')`;
const rows = (table: string, from: number, to: number) =>
  `INSERT INTO ${table} SELECT i, 'x' FROM generate_series(${from}, ${to}) i`;

/** How many rows have which context, by table: `a one: 5`. */
async function counts(tracked: TrackedDatabase): Promise<string[]> {
  const { rows } = await tracked.destination.client.query(`
    SELECT "table" || ' ' || coalesce(context->>'s', '-') || ': ' || count(*) AS line
      FROM changes WHERE "table" <> 'mark'
     GROUP BY "table", context->>'s' ORDER BY min(id::text)`);
  return rows.map(({ line }) => line);
}

test(
  "a context after a million rows reaches all of them, in bounded memory",
  async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY, note text)",
      env: { INDEX_VALUES: "off" },
    });
    await tracked.stopWorker();
    // The memory is measured here, not the indexes of the destination.
    await tracked.destination.client.query(
      "DROP INDEX changes_context_idx, changes_operation_idx, changes_committed_at_idx",
    );
    await tracked.sql(
      `BEGIN; ${rows("t", 1, 1_000_000)}; ${context("late")}; COMMIT`,
    );
    const worker = await tracked.startWorker(
      {},
      { nodeOptions: ["--max-old-space-size=256"] },
    );
    await tracked.caughtUp(MILLION_ROWS_TIMEOUT_MS);
    expect(await counts(tracked)).toEqual(["t late: 1000000"]);
    if (process.platform === "linux") {
      const status = await readFile(`/proc/${worker.pid}/status`, "utf8");
      const peakKb = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]);
      // Far less than the transaction's 200 MB on top of Node itself.
      expect(peakKb).toBeLessThan(300_000);
    }
  },
  1.1 * MILLION_ROWS_TIMEOUT_MS,
);

test("a late context reaches rows that were handed on and rows that were not, and none that had one", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: "CREATE TABLE t (id int PRIMARY KEY, note text)",
    env: SMALLEST_BATCH,
  });
  await tracked.transactions(
    `BEGIN; ${rows("t", 1, 30_010)}; ${context("one")}; ${rows("t", 30_011, 60_000)}; ${context("two")}; ${rows("t", 60_001, 63_000)}; COMMIT`,
    `BEGIN; ${rows("t", 63_001, 93_000)}; COMMIT`,
    `BEGIN; ${context("three")}; ${rows("t", 93_001, 123_000)}; ${context("four")}; COMMIT`,
    `BEGIN; ${rows("t", 123_001, 153_000)}; ${context("five")}; COMMIT`,
  );
  await tracked.caughtUp();
  expect(await counts(tracked)).toEqual([
    "t one: 60000",
    "t two: 3000",
    "t -: 30000",
    "t three: 30000",
    "t five: 30000",
  ]);
});

test("a late context of one shard leaves the rows of another alone, although they share a commit", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE a (id int PRIMARY KEY, note text);
      CREATE TABLE b (id int PRIMARY KEY, note text)`,
    env: {
      ...SMALLEST_BATCH,
      TRACK_TABLES: "public.b,public.mark",
      PUBLICATION_NAME: "shard_b",
    },
  });
  const shardA = {
    TRACK_TABLES: "public.a",
    PUBLICATION_NAME: "shard_a",
    SLOT_NAME: `${tracked.source.database}_a`,
  };
  const first = tracked.launchWorker(shardA);
  await first.log("streaming");
  first.signal("SIGTERM");
  expect((await first.exited).code).toBe(0);

  await tracked.sql(
    `BEGIN; ${rows("a", 1, 30_000)}; ${context("first")}; ${context("second")}; ${rows("b", 1, 10)}; COMMIT`,
  );
  await tracked.caughtUp();
  expect(await counts(tracked)).toEqual(["b second: 10"]);
  await using second = tracked.launchWorker(shardA);
  await eventually("shard a is stored", async () => {
    const lines = await counts(tracked);
    return lines.length > 1 || undefined;
  });
  expect((await counts(tracked)).toSorted()).toEqual([
    "a first: 30000",
    "b second: 10",
  ]);
  second.signal("SIGTERM");
  expect((await second.exited).code).toBe(0);
});
