/** Tables that change, are emptied or disappear under the stream. */
import { Cluster } from "../../scripts/cluster";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const DDL = [
  "ALTER TABLE t ADD added text DEFAULT 'new'",
  "ALTER TABLE t DROP dropped",
  "ALTER TABLE t RENAME renamed TO other_name",
  "ALTER TABLE t ALTER typed TYPE text USING 'n' || typed",
  // Another column of the same name, and of a type of the same name.
  `ALTER TABLE t DROP other_name; ALTER TABLE t ADD other_name document DEFAULT '{"a": [1.50]}'`,
  "ALTER TABLE t DROP other_name; DROP DOMAIN document; CREATE DOMAIN document AS int; ALTER TABLE t ADD other_name document DEFAULT 7",
  "ALTER TABLE t ALTER other_name TYPE numeric(10,2), ALTER typed DROP DEFAULT, ALTER typed TYPE text[] USING ARRAY[typed, NULL], ALTER typed SET DEFAULT '{a,NULL}'",
  "ALTER TABLE t RENAME TO u",
  "CREATE TABLE t (id int PRIMARY KEY, note text, typed bool)",
  "DROP TABLE u",
  "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, typed jsonb)",
  "ALTER TABLE t ADD m mood; INSERT INTO t VALUES (98, 'null', 'ok'); DELETE FROM t WHERE id = 98; ALTER TABLE t DROP m; DROP TYPE mood",
  "DROP TABLE t",
];

/**
 * One row before, in and after each DDL; what it looked like then is the
 * ledger, by to_jsonb of the same moment.
 */
function statements(inOneTransaction: boolean): string[] {
  const writes = (id: number, table: string) => [
    `INSERT INTO ${table} (id) VALUES (${id})`,
    `INSERT INTO ledger SELECT ${id}, '${table}', to_jsonb(x) FROM ${table} x WHERE id = ${id}`,
    `UPDATE ${table} SET id = id WHERE id = ${id}`,
    `DELETE FROM ${table} WHERE id = ${id}`,
  ];
  let id = 0;
  let hasT = true;
  let hasU = false;
  const all = DDL.flatMap((ddl) => {
    const before = hasT ? writes(++id, "t") : [];
    if (ddl.includes("RENAME TO u")) [hasT, hasU] = [false, true];
    if (ddl.startsWith("CREATE TABLE t")) hasT = true;
    if (ddl === "DROP TABLE u") hasU = false;
    if (ddl === "DROP TABLE t") hasT = false;
    return [
      ...before,
      ddl,
      ...(hasT ? writes(++id, "t") : []),
      ...(hasU ? writes(++id, "u") : []),
    ];
  });
  return inOneTransaction ? [`BEGIN; ${all.join("; ")}; COMMIT`] : all;
}

test.each([
  ["each in a transaction of its own", false],
  ["all in one transaction", true],
])(
  "rows written around thirteen DDLs while the worker is stopped, %s, have the names and values of their time",
  async (_, inOneTransaction) => {
    await using tracked = await TrackedDatabase.start(cluster, {
      env: { TRACK_TABLES: "public.*,!public.ledger" },
      schema: `
      CREATE TYPE mood AS ENUM ('ok');
      CREATE DOMAIN document AS jsonb;
      CREATE TABLE t (id int PRIMARY KEY, dropped int DEFAULT 1, renamed date DEFAULT '2024-02-29', typed int DEFAULT 5);
      CREATE TABLE ledger (id int, "table" text, row jsonb)`,
    });
    await tracked.stopWorker();
    await tracked.transactions(...statements(inOneTransaction));
    await tracked.startWorker();
    await tracked.caughtUp();
    const { rows: ledger } = await tracked.source.client.query<{
      id: number;
      table: string;
      row: string;
    }>(`SELECT id, "table", row::text FROM ledger ORDER BY id`);
    expect(ledger.length).toBeGreaterThan(15);
    const changes = (await tracked.changes()).map((change) => [
      change.operation,
      change.table,
      change.before,
      change.after,
    ]);
    const expected = ledger.flatMap(({ table, row }) => [
      ["CREATE", table, "{}", row],
      ["UPDATE", table, row, row],
      ["DELETE", table, row, "{}"],
    ]);
    const mood = '{"m": "ok", "id": 98, "typed": null}';
    expect(changes.filter(([, , ...row]) => !row.includes(mood))).toEqual(
      expected,
    );
    expect(changes).toHaveLength(expected.length + 2);
  },
);

test("a TRUNCATE of several tables with CASCADE is one row for each of them, in its place in the transaction, with its context", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE a (id int PRIMARY KEY);
      CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
      CREATE TABLE c (id int PRIMARY KEY);
      CREATE TABLE p (id int) PARTITION BY LIST (id);
      CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
      CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)`,
  });
  const message = (user: number) =>
    `SELECT pg_logical_emit_message(true, '_bemi', '{"user": ${user}}')`;
  await tracked.sql(`
    BEGIN;
    ${message(1)};
    INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1); INSERT INTO c VALUES (1);
    ${message(2)};
    TRUNCATE a, c, p CASCADE;
    ${message(3)};
    INSERT INTO c VALUES (2);
    COMMIT`);
  await tracked.caughtUp();
  const changes = await tracked.changes();
  const columns = changes.map(({ operation, table, context }) => [
    operation,
    table,
    JSON.parse(context).user,
  ]);
  expect(columns.slice(0, 3)).toEqual([
    ["CREATE", "a", 1],
    ["CREATE", "b", 1],
    ["CREATE", "c", 1],
  ]);
  expect(columns.slice(3, -1).toSorted()).toEqual(
    ["a", "b", "c", "p1", "p2"].map((table) => ["TRUNCATE", table, 2]),
  );
  expect(columns.at(-1)).toEqual(["CREATE", "c", 3]);
  for (const change of changes.slice(3, -1)) {
    expect(change).toMatchObject({
      primaryKey: null,
      before: "{}",
      after: "{}",
    });
  }
});
