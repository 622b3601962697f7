/** `changes` in the source database itself. */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { mergePendingLists } from "../../worker/destination/index-upkeep";
import { parseLsn } from "../../worker/lsn";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  // No checkpoint, whose full page images are not the worker's.
  cluster = await Cluster.start({
    settings: { fsync: "off", checkpoint_timeout: "1h", autovacuum: "off" },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const IDLE_BYTES = 50_000n;

test("the worker does not record what it writes, and an idle minute adds no row and almost no log", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    oneDatabase: true,
    schema: "CREATE TABLE t (id int PRIMARY KEY, note text)",
  });
  await tracked.transactions(
    ...Array.from(
      { length: 200 },
      (_, id) =>
        `INSERT INTO t SELECT ${id} * 100 + i, repeat('x', 100) FROM generate_series(1, 100) i`,
    ),
  );
  await tracked.caughtUp();
  const state = async () => {
    const { rows } = await tracked.source.client.query(`
      SELECT (SELECT count(*)::int FROM changes WHERE "table" <> 'mark') AS changes,
             (SELECT string_agg(DISTINCT "table", ',') FROM changes) AS tables,
             (SELECT position::text FROM _bemi_watermarks) AS position,
             pg_current_wal_insert_lsn()::text AS wal`);
    return rows[0];
  };
  const loaded = await state();
  expect(loaded).toMatchObject({ changes: 20_000, tables: "mark,t" });

  // Its own writes are in the log behind the last row, so the next note of the
  // position, at the latest after 30 s, is what would start a loop.
  await eventually(
    "the position is noted",
    async () => (await state()).position !== loaded.position,
  );
  // What GIN put off is log as well, once; the worker has then nothing to merge.
  await mergePendingLists(tracked.source.client);
  const noted = await state();
  const positions = new Set<string>();
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(250)) {
    positions.add((await state()).position);
  }
  const rested = await state();
  expect(rested).toMatchObject({ changes: 20_000, tables: "mark,t" });
  expect(parseLsn(rested.wal) - parseLsn(noted.wal)).toBeLessThan(IDLE_BYTES);
  // Each note is log to be noted: every 30 s, and not every second.
  expect(positions.size).toBeLessThan(12);
});

test("what was written to a partition that is dropped by now is the worker's own all the same", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    oneDatabase: true,
    schema: "CREATE TABLE t (id int PRIMARY KEY)",
  });
  await tracked.stopWorker();
  await tracked.transactions(
    "CREATE TABLE changes_2001_01 PARTITION OF changes FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')",
    `INSERT INTO changes (id, database, schema, "table", operation, committed_at, queued_at, transaction_id, position)
     VALUES (gen_random_uuid(), 'd', 's', 'old', 'CREATE', '2001-01-02', now(), 1, 1)`,
    "DROP TABLE changes_2001_01",
    "INSERT INTO t VALUES (1)",
  );
  await tracked.startWorker();
  await tracked.caughtUp();
  expect((await tracked.changes()).map(({ table }) => table)).toEqual(["t"]);
});
