/** What the triggers write to the log, and before which rows. */
import type { QueryConfig } from "pg";
import { Cluster } from "../../scripts/cluster";
import { by, EMIT, logOf, trackedSource } from "../support/context-trigger";
import type { Source } from "../support/source";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});

let source: Source;
beforeAll(async () => {
  source = await trackedSource(
    cluster,
    `CREATE TABLE parent (id int PRIMARY KEY, note text);
     CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE);
     CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
     CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
     CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
     INSERT INTO parent SELECT i, 'a' FROM generate_series(1000, 1009) i;
     INSERT INTO child SELECT i, i FROM generate_series(1000, 1009) i`,
  );
});
afterAll(async () => {
  await source?.[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const a = by("a");
const b = by("b");

test.each<[string, (string | QueryConfig)[], string, string[]]>([
  [
    "many rows",
    [`${a} INSERT INTO parent SELECT generate_series(1, 5)`],
    "MIIIII",
    ["a"],
  ],
  ["no context", ["INSERT INTO parent VALUES (10)"], "I", []],
  [
    "an upsert",
    [
      `${a} INSERT INTO parent VALUES (10), (11) ON CONFLICT (id) DO UPDATE SET note = 'b'`,
    ],
    "MUI",
    ["a"],
  ],
  [
    "one context in a transaction",
    [
      "BEGIN",
      `${a} INSERT INTO parent VALUES (20)`,
      `${a} UPDATE parent SET note = 'b' WHERE id = 20`,
      "COMMIT",
    ],
    "MIMU",
    ["a", "a"],
  ],
  [
    "somebody else's message in between",
    [
      "BEGIN",
      `${a} INSERT INTO parent VALUES (25)`,
      `SELECT pg_logical_emit_message(true, '_bemi', '{"by":"other"}')`,
      `${a} UPDATE parent SET note = 'b' WHERE id = 25`,
      "COMMIT",
    ],
    "MIMMU",
    ["a", "other", "a"],
  ],
  [
    "a prepared statement of the protocol",
    [
      "BEGIN",
      {
        name: "insert",
        text: `INSERT INTO parent VALUES ($1) ${a}`,
        values: [950],
      },
      {
        name: "insert",
        text: `INSERT INTO parent VALUES ($1) ${a}`,
        values: [951],
      },
      "COMMIT",
    ],
    "MIMI",
    ["a", "a"],
  ],
  [
    "a session that writes numbers short",
    [
      "BEGIN; SET LOCAL extra_float_digits = -15; SET LOCAL TimeZone = 'Asia/Tokyo'",
      `${a} INSERT INTO parent VALUES (940)`,
      `${b} INSERT INTO parent VALUES (941)`,
      "COMMIT",
    ],
    "MIMI",
    ["a", "b"],
  ],
  [
    "a function that writes in a loop",
    [
      `${a} DO $$ BEGIN FOR i IN 1..3 LOOP INSERT INTO parent VALUES (900 + i); END LOOP; END $$`,
    ],
    "MIII",
    ["a"],
  ],
  [
    "several tables by one WITH",
    [
      `${a} WITH one AS (INSERT INTO parent VALUES (910)) INSERT INTO child VALUES (910, 1001)`,
    ],
    "MII",
    ["a"],
  ],
  [
    "a part of a function undone",
    [
      `${a} DO $$ BEGIN
         BEGIN INSERT INTO parent VALUES (920); RAISE 'undone'; EXCEPTION WHEN raise_exception THEN NULL; END;
         INSERT INTO parent VALUES (921); END $$`,
    ],
    "MI",
    ["a"],
  ],
  [
    "a procedure that commits in between",
    [
      `${a} DO $$ BEGIN INSERT INTO parent VALUES (930); COMMIT; INSERT INTO parent VALUES (931); END $$`,
    ],
    "MIMI",
    ["a", "a"],
  ],
  [
    "two contexts in a transaction",
    [
      "BEGIN",
      `${a} INSERT INTO parent VALUES (30)`,
      `${b} UPDATE parent SET note = 'b' WHERE id = 30`,
      `${a} DELETE FROM parent WHERE id = 30`,
      "COMMIT",
    ],
    "MIMUMD",
    ["a", "b", "a"],
  ],
  [
    "the next transaction",
    [
      `${a} INSERT INTO parent VALUES (40)`,
      `${a} INSERT INTO parent VALUES (41)`,
    ],
    "MIMI",
    ["a", "a"],
  ],
  [
    "a savepoint rolled back",
    [
      "BEGIN",
      "SAVEPOINT s",
      `${a} INSERT INTO parent VALUES (50)`,
      "ROLLBACK TO s",
      `${a} INSERT INTO parent VALUES (51)`,
      "COMMIT",
    ],
    "MI",
    ["a"],
  ],
  ["a cascade", [`${a} DELETE FROM parent WHERE id = 1000`], "MDD", ["a"]],
  ["TRUNCATE", [`${a} TRUNCATE child`], "MT", ["a"]],
  [
    "a row that changes its partition",
    [`${a} INSERT INTO parted VALUES (1)`, `${a} UPDATE parted SET id = 11`],
    "MIMDI",
    ["a", "a"],
  ],
  [
    "a partition by its own name",
    [`${a} INSERT INTO parted_2 VALUES (15)`],
    "MI",
    ["a"],
  ],
  [
    "a comment at the end, as other packages write it",
    [`INSERT INTO parent VALUES (60) ${a};\n`],
    "MI",
    ["a"],
  ],
  [
    "a value that looks like a context, with one",
    [`${a} INSERT INTO parent VALUES (70, '${b}')`],
    "MI",
    ["a"],
  ],
  [
    "a value that looks like a context, with one at the end",
    [`INSERT INTO parent VALUES (71, '${b}') ${a}`],
    "MI",
    ["a"],
  ],
  [
    "a value that looks like a context, without one",
    [`INSERT INTO parent VALUES (72, '${b}')`],
    "I",
    [],
  ],
  [
    "a comment that is no context",
    [
      `/*Bemi nonsense Bemi*/ INSERT INTO parent VALUES (73)`,
      "/*Bemi {} */ INSERT INTO parent VALUES (74)",
    ],
    "II",
    [],
  ],
  [
    "no row at all",
    [
      `${a} UPDATE parent SET note = 'b' WHERE id = -1`,
      "INSERT INTO parent VALUES (80)",
    ],
    "MI",
    ["a"],
  ],
])("%s", async (_name, statements, types, contexts) => {
  const log = await logOf(source, async () => {
    for (const sql of statements) await source.client.query(sql);
  });
  expect(log).toEqual({
    types,
    contexts: contexts.map((who) => `{"by":"${who}"}`),
  });
});

test("a role without the right to write messages writes rows with context", async () => {
  await source.client.query(
    `CREATE ROLE hardened; GRANT ALL ON parent TO hardened;
     REVOKE EXECUTE ON FUNCTION ${EMIT} FROM PUBLIC`,
  );
  const log = await logOf(source, async () => {
    await source.client.query("SET ROLE hardened");
    await source.client.query(`${a} INSERT INTO parent VALUES (91)`);
    await source.client.query("RESET ROLE");
  });
  expect(log.types).toBe("MI");
});

test("100,000 rows need no more log than without context", async () => {
  const { client } = source;
  const bytes = async (sql: string): Promise<number> => {
    await client.query("CHECKPOINT");
    const {
      rows: [from],
    } = await client.query("SELECT pg_current_wal_insert_lsn() AS lsn");
    await client.query(sql);
    const {
      rows: [to],
    } = await client.query(
      "SELECT (pg_current_wal_insert_lsn() - $1::pg_lsn)::float8 AS bytes",
      [from.lsn],
    );
    return to.bytes;
  };
  const insert = (first: number) =>
    `INSERT INTO parent SELECT generate_series(${first}, ${first + 99_999}), 'note'`;
  const without = await bytes(insert(1_000_000));
  const within = await bytes(`${a} ${insert(2_000_000)}`);
  expect(within / without).toBeLessThan(1.1);
});
