/** Undo's SQL, run at the source: the rows are again what they were, or nothing changes. */
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { ChangesReader } from "../support/changes-reader";
import { testSince } from "../support/majors";
import { identitySql, TrackedDatabase } from "../support/tracked-database";

const TABLE = `odd "t' $undo$; --`;
const QUOTED = `"${TABLE.replaceAll('"', '""')}"`;
const HOSTILE = `'; DROP TABLE todo; -- \\' \\\\ /* $undo$ $undo_1$ \n "quoted" $1 ? :x {"$unchanged": true} é 😀`;

const SCHEMA = `
  CREATE TYPE mood AS ENUM ('it''s fine', 'b\\ad');
  CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN short AS varchar(8) NOT NULL;
  CREATE TABLE todo (id bigint PRIMARY KEY, title text, done boolean DEFAULT false);
  CREATE TABLE ${QUOTED} (
    "Id ""x'" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "sel\\ect" text, b bytea, n numeric, big bigint, f float8, j json, jb jsonb,
    tz timestamptz, ts timestamp, i interval, tags text[], grid int[][], m mood, p pair, s short DEFAULT 'x', u uuid, r int4range, ip inet, pt point, bits bit(3), chars char(5));
  CREATE TABLE total (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
  CREATE TABLE double (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
  CREATE TABLE touched (id int PRIMARY KEY, n int, updated_at timestamptz);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
  CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE TABLE author (id int PRIMARY KEY, name text);
  CREATE TABLE book (id int PRIMARY KEY, author_id int REFERENCES author ON DELETE CASCADE, editor_id int REFERENCES author ON DELETE SET NULL, parent_id int REFERENCES book);
  CREATE TABLE strict (id int PRIMARY KEY, author_id int REFERENCES author);
  CREATE TABLE keyless (a int);
  CREATE TABLE samples (id int PRIMARY KEY, t text, u int, undone text, complaint text);
  CREATE TABLE author_book (author int, book int, PRIMARY KEY (book, author));
  CREATE TABLE partly (id int PRIMARY KEY, n int);
  CREATE TABLE composite (a int, b text, n int, PRIMARY KEY (b, a));
  ${bemiUpSql()}`;

const TABLES = [
  ...[
    "todo",
    QUOTED,
    "total",
    "author",
    "book",
    "strict",
    "composite",
    "author_book",
    "double",
    "samples",
  ],
];

let cluster: Cluster;
let tracked: TrackedDatabase;
let reader: ChangesReader;
let requests = 0;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
  tracked = await TrackedDatabase.start(cluster, { schema: SCHEMA });
  const url = cluster.url(tracked.destination.database);
  reader = await ChangesReader.start("6", url);
});
afterAll(async () => {
  await reader?.[Symbol.asyncDispose]();
  await tracked?.[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

/** Statements with a context of their own, one transaction; the request's name. */
async function request(...statements: readonly string[]): Promise<string> {
  const name = `request-${++requests}`;
  await tracked.sql("BEGIN");
  try {
    for (const statement of statements)
      await tracked.sql(`/*Bemi {"request":"${name}"} Bemi*/ ${statement}`);
  } finally {
    // Of a transaction that failed it is the end as well.
    await tracked.sql("COMMIT");
  }
  await tracked.caughtUp();
  return name;
}

/** Every row of every table, as PostgreSQL itself shows it. */
async function contents(): Promise<unknown> {
  const all: Record<string, unknown> = {};
  for (const table of TABLES) {
    const { rows } = await tracked.source.client.query(
      `SELECT t::text, to_jsonb(t)::text AS json FROM ${table} t ORDER BY 2`,
    );
    all[table] = rows;
  }
  return all;
}

const undoOf = (name: string) =>
  reader.call<string>("undoContext", { request: name });

/** What a request does is undone, with its SQL. */
async function roundTrip(...statements: readonly string[]): Promise<string> {
  const before = await contents();
  const sql = await undoOf(await request(...statements));
  expect(await contents()).not.toEqual(before);
  await tracked.sql(sql);
  expect(await contents()).toEqual(before);
  return sql;
}

const literal = (text: string) =>
  `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

const VALUES = `${literal(HOSTILE)}, '\\x00ff5c27', 1234567890123456789012345678901234567.890, 9007199254740993, 0.1::float8 + 0.2,
  '{"a": [9007199254740993, "é"], "b": 1}', '{"n": 9007199254740993, "t": "x''\\\\y"}', '2026-03-04 05:06:07.123456+05:30', 'infinity', '1 year 2 days 03:04:05.678',
  ARRAY['a,b', NULL, '"', '\\\\', 'NULL', ''], '[2:3][0:1]={{1,2},{3,4}}', 'it''s fine', ROW(1, 'x,"y'), 'short', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[1,5)', '10.0.0.1/24', '(1.5,2)', B'101', 'ab'`;

test.each(["on", "off"])(
  "rows of odd types and names come back, with standard_conforming_strings %s",
  async (conforming) => {
    await tracked.sql(
      `INSERT INTO ${QUOTED} OVERRIDING SYSTEM VALUE VALUES (5, ${VALUES})
       ON CONFLICT DO NOTHING`,
    );
    await tracked.sql(
      `SET standard_conforming_strings = ${conforming}; SET escape_string_warning = off; SET TimeZone = 'Asia/Kathmandu'`,
    );
    await roundTrip(`DELETE FROM ${QUOTED}`);
    await roundTrip(
      `UPDATE ${QUOTED} SET "sel\\ect" = NULL, b = NULL, n = 0, big = 0, f = 'NaN', j = NULL, jb = '{}', tz = now(), ts = now(), i = '1 s', tags = '{}', grid = NULL, m = NULL, p = NULL, s = 'other', u = NULL, r = 'empty', ip = NULL, pt = NULL, bits = NULL, chars = NULL`,
    );
    await roundTrip(
      `INSERT INTO ${QUOTED} ("sel\\ect", j, tags) VALUES (${literal(HOSTILE)}, '{"a":   1}', '{}')`,
    );
    await tracked.sql(
      "RESET standard_conforming_strings; RESET escape_string_warning; RESET TimeZone",
    );
  },
);

test("what one request made and changed is undone in reverse", async () => {
  await tracked.sql("INSERT INTO todo VALUES (1, 'one'), (2, 'two')");
  await tracked.sql("INSERT INTO composite VALUES (1, 'x', 1)");
  const sql = await roundTrip(
    "INSERT INTO author VALUES (1, 'parent')",
    "INSERT INTO book VALUES (1, 1, 1, NULL)",
    "INSERT INTO strict VALUES (1, 1)",
    "UPDATE todo SET title = 'changed', done = true WHERE id = 1",
    "UPDATE todo SET title = 'again' WHERE id = 1",
    "UPDATE todo SET id = 9007199254740993 WHERE id = 1",
    "DELETE FROM todo WHERE id = 2",
    "INSERT INTO todo VALUES (2, 'another')",
    "UPDATE composite SET n = 2, b = 'y'",
  );
  // One statement, to look at: with the key for its index, and the columns.
  expect(sql).toMatch(/^-- Undoes 9 changes, all or none.\nDO \$undo\$/);
  expect(sql).toContain(
    `UPDATE "public"."todo" AS t
     SET ("title") = (SELECT u."title" FROM pg_catalog.jsonb_populate_record(t.*, '{"title": "changed"}') AS u)
   WHERE t."id" = '1'`,
  );
});

test("columns may be called as what the SQL calls its own", async () => {
  await tracked.sql("INSERT INTO samples VALUES (1, 'a', 1, 'b', 'c')");
  await roundTrip(
    "UPDATE samples SET t = 'x', u = 2, undone = NULL, complaint = 'y'",
    "INSERT INTO samples VALUES (2, 'a', 1, 'b', 'c')",
  );
  await roundTrip("UPDATE samples SET u = 3", "DELETE FROM samples");
});

test("rows that a foreign key took along or emptied come back with the row they refer to", async () => {
  await tracked.sql(`
    INSERT INTO author VALUES (11, 'deleted'), (12, 'deleted too'), (13, 'stays');
    INSERT INTO book VALUES (11, 11, 12, NULL), (12, 13, 11, NULL), (13, 11, 11, 11), (14, 12, 13, 13)`);
  await roundTrip("DELETE FROM author WHERE id IN (11, 12)");
  await roundTrip(
    "DELETE FROM book WHERE id = 14",
    "DELETE FROM book WHERE id IN (13, 11)",
    "DELETE FROM author WHERE id = 11",
  );
});

test("nothing at all is undone when a later change is there", async () => {
  const sql = await undoOf(
    await request(
      "INSERT INTO todo VALUES (21, 'first')",
      "INSERT INTO todo VALUES (22, 'second')",
    ),
  );
  await tracked.sql("UPDATE todo SET done = true WHERE id = 21");
  const before = await contents();
  await expect(tracked.sql(sql)).rejects.toThrow(
    /nothing was undone: CREATE of "public"."todo" "21" at .*: its row is no longer as that change left it/,
  );
  expect(await contents()).toEqual(before);
  // A column added since is no change of the row.
  await tracked.sql("UPDATE todo SET done = false WHERE id = 21");
  await tracked.sql("ALTER TABLE todo ADD added int DEFAULT 5");
  await tracked.sql(sql);
  await tracked.sql("ALTER TABLE todo DROP added");
  await expect(tracked.sql(sql)).rejects.toThrow("nothing was undone");
});

test("a trigger that sets a time does not stand in the way of several changes of a row", async () => {
  const { client } = tracked.source;
  const count = async () => (await client.query("TABLE touched")).rowCount;
  const made = await request(
    "INSERT INTO touched VALUES (1, 1)",
    "UPDATE touched SET n = 2",
    "UPDATE touched SET n = 3",
  );
  await tracked.sql(await undoOf(made));
  expect(await count()).toBe(0);
  const gone = await request(
    "INSERT INTO touched VALUES (2, 1)",
    "UPDATE touched SET n = 2",
    "DELETE FROM touched",
    "INSERT INTO touched VALUES (2, 5)",
  );
  await tracked.sql(await undoOf(gone));
  expect(await count()).toBe(0);
});

test("what another request did in between is not undone along", async () => {
  await tracked.sql("INSERT INTO todo VALUES (51, 'zero')");
  const first = await request("UPDATE todo SET title = 'one' WHERE id = 51");
  await tracked.sql("UPDATE todo SET done = true WHERE id = 51");
  const second = await request("UPDATE todo SET title = 'two' WHERE id = 51");
  const changes: unknown[] = [];
  for (const name of [first, second])
    changes.push(
      ...(await reader.call<unknown[]>("byContext", { request: name })),
    );
  const before = await contents();
  await expect(tracked.sql(await reader.call("undo", changes))).rejects.toThrow(
    "nothing was undone",
  );
  expect(await contents()).toEqual(before);
});

test("a row that was changed there and back is looked at as well", async () => {
  await tracked.sql("INSERT INTO todo VALUES (52, 'zero')");
  const sql = await undoOf(
    await request(
      "UPDATE todo SET title = 'one' WHERE id = 52",
      "UPDATE todo SET title = 'zero' WHERE id = 52",
    ),
  );
  await tracked.sql("UPDATE todo SET done = true WHERE id = 52");
  await expect(tracked.sql(sql)).rejects.toThrow("nothing was undone");
});

test("a deleted row that was made again is not made twice", async () => {
  await tracked.sql("INSERT INTO todo VALUES (31, 'first')");
  const sql = await undoOf(await request("DELETE FROM todo WHERE id = 31"));
  await tracked.sql("INSERT INTO todo VALUES (31, 'other')");
  await expect(tracked.sql(sql)).rejects.toThrow("duplicate key");
});

test("rows of others are not deleted or emptied by foreign keys", async () => {
  const sql = await undoOf(
    await request("INSERT INTO author VALUES (41, 'made')"),
  );
  for (const column of ["author_id", "editor_id"]) {
    await tracked.sql(`INSERT INTO book (id, ${column}) VALUES (41, 41)`);
    const before = await contents();
    await expect(tracked.sql(sql)).rejects.toThrow(
      "foreign keys or triggers changed rows",
    );
    expect(await contents()).toEqual(before);
    await tracked.sql("DELETE FROM book WHERE id = 41");
  }
  await tracked.sql(sql);
});

testSince(18, "a published generated column")(
  "generated columns follow from the others, by the entity or by name",
  async () => {
    await tracked.sql("INSERT INTO total VALUES (1, 1)");
    await tracked.sql("INSERT INTO double VALUES (1, 1)");
    await roundTrip("UPDATE double SET a = 2");
    await roundTrip("DELETE FROM double");
    const before = await contents();
    for (const statement of ["UPDATE total SET a = 2", "DELETE FROM total"]) {
      const name = await request(statement);
      await expect(tracked.sql(await undoOf(name))).rejects.toThrow("twice");
      const changes = await reader.call("byContext", { request: name });
      const generated = ["public.total.twice"];
      await tracked.sql(await reader.call("undo", changes, { generated }));
      expect(await contents()).toEqual(before);
    }
  },
);

test("a row of which the trail has the key alone does not come back half", async () => {
  await tracked.sql(identitySql("partly", "DEFAULT"));
  await tracked.sql("INSERT INTO partly VALUES (1, 5), (2, 5), (3, 5)");
  for (const where of ["id = 1", "id IN (2, 3)"]) {
    const sql = await undoOf(
      await request(`DELETE FROM partly WHERE ${where}`),
    );
    await expect(tracked.sql(sql)).rejects.toThrow(
      "the trail has its key and not the rest of its row",
    );
  }
  await tracked.sql("INSERT INTO author_book VALUES (1, 2), (2, 2), (2, 1)");
  await roundTrip("DELETE FROM author_book WHERE author = 2");
});

test("what cannot be undone is one error that names the change", async () => {
  await tracked.sql("CREATE TABLE emptied (id int PRIMARY KEY)");
  const cases: Record<string, string> = {
    "TRUNCATE emptied":
      'cannot undo the TRUNCATE of "public"."emptied" at .*: the trail has no rows',
    "INSERT INTO keyless VALUES (1)":
      'the CREATE of "public"."keyless" .* without a primary key',
    [`INSERT INTO ${QUOTED} (j) VALUES ('{"a": "\\u0000"}')`]:
      'jsonb cannot hold the value of "j"',
    "UPDATE partly SET n = 6": 'what "n" was before was not recorded',
  };
  await tracked.sql("INSERT INTO partly VALUES (9, 5)");
  for (const [statement, message] of Object.entries(cases)) {
    const name = await request(statement);
    await expect(undoOf(name)).rejects.toThrow(new RegExp(message));
  }
  const id = "00000000-0000-8000-8000-000000000000";
  await expect(reader.call("undo", [{ id }])).rejects.toThrow(
    "1 of the changes are not in the table changes",
  );
});

test("MikroORM 7 gives the same SQL", async () => {
  const changes = await reader.call<unknown[]>("byContext", {});
  const some = (changes as { operation: string; table: string }[]).filter(
    ({ operation, table }) =>
      operation === "UPDATE" && ["todo", "composite"].includes(table),
  );
  await using seven = await ChangesReader.start(
    "7",
    cluster.url(tracked.destination.database),
  );
  const sql = await seven.call("undo", some);
  expect(sql).toBe(await reader.call("undo", some));
  expect(sql).toMatch(/WHERE t."a" = '1'\n {5}AND t."b" = 'x'/);
});
