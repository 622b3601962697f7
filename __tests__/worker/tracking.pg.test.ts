/** What TRACK_TABLES and IGNORE_COLUMNS leave out of `changes`. */
import { Cluster } from "../../scripts/cluster";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

test("tables are tracked by name in any schema, but for those excluded and the kit's own", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE todo (id int PRIMARY KEY);
      CREATE TABLE todo_cache (id int PRIMARY KEY);
      CREATE SCHEMA "Sales";
      CREATE TABLE "Sales"."Order" (id int PRIMARY KEY);
      CREATE TABLE "Sales".todo (id int PRIMARY KEY);
      CREATE SCHEMA hr;
      CREATE TABLE hr.person (id int PRIMARY KEY);
      CREATE TABLE hr.parted (id int PRIMARY KEY) PARTITION BY LIST (id);
      CREATE TABLE hr.part_1 PARTITION OF hr.parted DEFAULT`,
    env: {
      TRACK_TABLES:
        'public.*,!public.*_cache,"Sales"."Order",hr.parted,*.later',
    },
  });
  const tables = [
    "todo",
    "todo_cache",
    '"Sales"."Order"',
    '"Sales".todo',
    "hr.person",
    "hr.parted",
  ];
  await tracked.transactions(
    ...tables.map((table) => `INSERT INTO ${table} VALUES (1)`),
    `BEGIN; ${tables.map((table) => `DELETE FROM ${table}`).join("; ")}; COMMIT`,
    "CREATE TABLE hr.later (id int); INSERT INTO hr.later VALUES (1)",
    "CREATE TABLE hr.latest (id int); INSERT INTO hr.latest VALUES (1)",
  );
  await tracked.caughtUp();
  const { rows } = await tracked.destination.client.query(
    `SELECT string_agg(schema || '.' || "table" || ' ' || operation, ', ' ORDER BY id) AS got
       FROM changes WHERE "table" <> 'mark'`,
  );
  expect(rows[0].got.split(", ")).toEqual([
    "public.todo CREATE",
    "Sales.Order CREATE",
    "hr.part_1 CREATE",
    "public.todo DELETE",
    "Sales.Order DELETE",
    "hr.part_1 DELETE",
    "hr.later CREATE",
  ]);
  expect(await tracked.counter("filtered")).toBe(7);
});

test("an update of ignored columns alone is left out, any other is recorded whole", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE todo (id int PRIMARY KEY, title text, updated_at text, big text);
      ALTER TABLE todo ALTER big SET STORAGE EXTERNAL;
      CREATE TABLE plain (id int PRIMARY KEY, updated text)`,
    env: { IGNORE_COLUMNS: "public.todo.updated_at,*_cached" },
  });
  const big = "x".repeat(10_000);
  await tracked.transactions(
    `INSERT INTO todo VALUES (1, 'a', 'noon', '${big}')`,
    "UPDATE todo SET updated_at = 'one'",
    "UPDATE todo SET updated_at = NULL",
    "UPDATE todo SET title = title",
    "UPDATE todo SET title = 'b', updated_at = 'two'",
    "UPDATE todo SET big = NULL, updated_at = 'three'",
    "INSERT INTO plain VALUES (1, 'noon')",
    "UPDATE plain SET updated = updated",
    "DELETE FROM todo",
  );
  await tracked.caughtUp();
  const changes = (await tracked.changes()).map((change) => [
    change.table,
    change.operation,
    JSON.parse(change.before),
    JSON.parse(change.after),
  ]);
  const row = (title: string, updated_at: string | null, large: unknown) => ({
    id: 1,
    title,
    updated_at,
    big: large,
  });
  const plain = { id: 1, updated: "noon" };
  expect(changes).toEqual([
    ["todo", "CREATE", {}, row("a", "noon", big)],
    ["todo", "UPDATE", row("a", null, big), row("b", "two", big)],
    ["todo", "UPDATE", row("b", "two", big), row("b", "three", null)],
    ["plain", "CREATE", {}, plain],
    ["plain", "UPDATE", plain, plain],
    ["todo", "DELETE", row("b", "three", null), {}],
  ]);
  expect(await tracked.counter("filtered")).toBe(3);
});
