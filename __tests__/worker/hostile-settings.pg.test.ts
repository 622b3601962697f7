/** What a database's or a role's settings would do to the worker's sessions. */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { testSince } from "../support/majors";
import { Trail } from "../support/trail";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const TIMEOUT_MS = 500;

testSince(17, "transaction_timeout")(
  "a transaction_timeout ends neither the reading nor the writing of a transaction that takes longer",
  async () => {
    // Source and destination are one database.
    await using trail = await Trail.create({
      source: cluster,
      destination: cluster,
      tables: "CREATE TABLE t (id int PRIMARY KEY, note text)",
      env: { BATCH_MAX_BYTES: "65536", INDEX_VALUES: "off" },
    });
    const locker = await trail.client();
    await trail.source.query(
      `ALTER DATABASE ${trail.database} SET transaction_timeout = ${TIMEOUT_MS}`,
    );
    const worker = await trail.streaming();
    await locker.query("BEGIN; LOCK changes IN ACCESS EXCLUSIVE MODE");
    // Much more than waits anywhere on the way.
    await trail.source.query(
      "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i",
    );
    await eventually("the worker waits for the lock", async () => {
      const { rows } = await locker.query(
        "SELECT FROM pg_locks WHERE NOT granted",
      );
      return rows.length > 0;
    });
    await sleep(3 * TIMEOUT_MS);
    await locker.query("COMMIT");
    await trail.reached(20_000);
    expect(worker.lines.filter(({ error }) => error !== undefined)).toEqual([]);
  },
);

test("an idle_session_timeout costs a quiet trail no session", async () => {
  await using trail = await Trail.create({
    source: cluster,
    destination: cluster,
    tables: "CREATE TABLE t (id int PRIMARY KEY)",
  });
  await trail.source.query(
    `ALTER DATABASE ${trail.database} SET idle_session_timeout = ${TIMEOUT_MS}`,
  );
  const worker = await trail.streaming();
  await sleep(3 * TIMEOUT_MS);
  await trail.source.query("INSERT INTO t VALUES (1)");
  await trail.reached(1);
  expect(worker.lines.filter(({ error }) => error !== undefined)).toEqual([]);
});

test("a destination that quotes every name is not taken for an altered one", async () => {
  await using trail = await Trail.create({
    source: cluster,
    destination: cluster,
    tables: "CREATE TABLE t (id int PRIMARY KEY)",
  });
  await trail.source.query(
    `ALTER DATABASE ${trail.database} SET quote_all_identifiers = on`,
  );
  await trail.streaming();
  await trail.source.query("INSERT INTO t VALUES (1)");
  await trail.reached(1);
});
