import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { monthOf, partitionOf } from "../../worker/destination/partitions";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

const thisMonth = monthOf(new Date());

test("expired months are dropped, younger ones and next month's partition are there, and an open reader is not blocked", async () => {
  await cluster.createDatabase("retention");
  const db = await cluster.client("retention");
  const env = workerEnvironment(cluster, "retention", undefined, {
    RETENTION_DAYS: "40",
  });
  {
    await using first = WorkerProcess.start(env);
    await first.log("streaming");
    first.signal("SIGTERM");
    await first.exited;
  }
  for (const month of [thisMonth - 5, thisMonth - 3, thisMonth - 1]) {
    const { name, from, to } = partitionOf(month);
    await db.query(
      `CREATE TABLE ${name} PARTITION OF changes FOR VALUES FROM ('${from}') TO ('${to}')`,
    );
    await db.query(
      `INSERT INTO changes (id, database, schema, "table", operation, committed_at, queued_at, transaction_id, position)
       VALUES (gen_random_uuid(), 'd', 'public', 't', 'CREATE', '${from}', '${from}', 1, 1)`,
    );
  }
  const reader = await cluster.client("retention");
  await reader.query("BEGIN; SELECT count(*) FROM changes");

  await using worker = WorkerProcess.start(env);
  await worker.log("streaming");
  // Readers and the writer go on while the oldest partition waits for them.
  await eventually("the detach to wait for the reader", async () => {
    const { rows } = await db.query(
      "SELECT 1 FROM pg_inherits WHERE inhdetachpending",
    );
    return rows.length > 0;
  });
  // A month that is on its way out is not seen any more.
  expect(
    (await reader.query("SELECT count(*)::int AS n FROM changes")).rows,
  ).toEqual([{ n: 2 }]);
  await db.query("CREATE TABLE written_meanwhile (id int)");
  await db.query("INSERT INTO written_meanwhile VALUES (1)");
  await eventually("a change to arrive meanwhile", async () => {
    const { rows } = await db.query(
      `SELECT 1 FROM ${partitionOf(thisMonth).name} WHERE "table" = 'written_meanwhile'`,
    );
    return rows.length === 1;
  });
  // Who comes while a month is on its way out does not wait for it either, and
  // does not keep it: it goes with the last who could see it.
  const arriving = await cluster.client("retention");
  await arriving.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  const seen = async () => {
    const { rows } = await arriving.query(
      `SELECT count(*)::int AS n FROM changes WHERE "table" = 't'`,
    );
    return rows[0].n;
  };
  expect(await seen()).toBe(2);
  await reader.query("COMMIT");
  await eventually("the first month to go", async () => {
    const { rows } = await db.query("SELECT to_regclass($1) AS name", [
      partitionOf(thisMonth - 5).name,
    ]);
    return rows[0].name === null;
  });
  // The second one is still in this reader's sight, and readable.
  expect(await seen()).toBe(2);
  await arriving.query("COMMIT");

  const partitions = async () => {
    const { rows } = await db.query(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'changes'::regclass ORDER BY 1",
    );
    return rows.map(({ name }) => name);
  };
  const kept = [thisMonth - 1, thisMonth, thisMonth + 1]
    .map((month) => partitionOf(month).name)
    .sort();
  await eventually(
    "the expired months to go",
    async () => (await partitions()).length === kept.length,
  );
  expect(await partitions()).toEqual(kept);
  expect(
    (
      await db.query("SELECT to_regclass($1) AS gone", [
        partitionOf(thisMonth - 5).name,
      ])
    ).rows,
  ).toEqual([{ gone: null }]);
  await Promise.all([reader.end(), arriving.end(), db.end()]);
});
