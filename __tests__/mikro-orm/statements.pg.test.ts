/** Statements of every kind, through the worker into `changes`: whose context has each row? */
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { by } from "../support/context-trigger";
import { serverMajor } from "../support/majors";
import { TrackedDatabase } from "../support/tracked-database";

/** As other Bemi packages make them: a message before each row. */
const ROW_TRIGGER = `
  CREATE FUNCTION emit_for_row() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE context text := split_part(split_part(current_query(), '/*Bemi ', 2), ' Bemi*/', 1);
  BEGIN
    IF context <> '' THEN PERFORM pg_logical_emit_message(true, '_bemi', context); END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER emit_for_row BEFORE INSERT OR UPDATE OR DELETE ON theirs
    FOR EACH ROW EXECUTE FUNCTION emit_for_row()`;

const SCHEMA = `
  CREATE TABLE parent (id int PRIMARY KEY, note text);
  CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL);
  CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY, note text);
  CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
  CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
  CREATE TABLE theirs (id int PRIMARY KEY, note text);
  CREATE VIEW seen AS SELECT * FROM parent;
  CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO log (note) VALUES ('caused'); RETURN NULL; END$$;
  CREATE TRIGGER note_it AFTER INSERT ON parent FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION note_it();
  ${bemiUpSql()}; DROP TRIGGER _bemi_stmt_trigger ON theirs; ${ROW_TRIGGER}`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const a = by("a");
const b = by("b");
const emit = (who: string) =>
  `SELECT pg_logical_emit_message(true, '_bemi', '{"by":"${who}"}')`;

/** Statements, and each row's operation, table and context; a line is a transaction. */
const golden: Readonly<Record<string, readonly [string[], string[]]>> = {
  "a trigger's own writes": [
    [`${a} INSERT INTO parent VALUES (1), (2), (3)`],
    ["C parent a, C parent a, C parent a, C log a"],
  ],
  "an upsert": [
    [
      `${a} INSERT INTO parent VALUES (1), (4) ON CONFLICT (id) DO UPDATE SET note = 'b'`,
    ],
    ["U parent a, C parent a, C log a"],
  ],
  COPY: [
    [`${a} COPY child FROM PROGRAM 'printf "1\\t1\\n2\\t2\\n3\\t3\\n"'`],
    ["C child a, C child a, C child a"],
  ],
  "a cascade": [
    [`${a} DELETE FROM parent WHERE id IN (1, 2)`],
    ["D parent a, D parent a, D child a, D child a"],
  ],
  "a cascade that sets null": [
    [`${a} UPDATE parent SET id = 33 WHERE id = 3`],
    ["U parent a, U child a"],
  ],
  "PREPARE and EXECUTE": [
    [
      "PREPARE p AS UPDATE parent SET note = $1",
      `${a} EXECUTE p('c')`,
      "EXECUTE p('d')",
      `${b} EXECUTE p('e')`,
    ],
    [
      "U parent a, U parent a",
      "U parent -, U parent -",
      "U parent b, U parent b",
    ],
  ],
  "several statements in one message": [
    [`${a} UPDATE parent SET note = 'f'; INSERT INTO parted VALUES (1)`],
    ["U parent a, U parent a, C parted_1 a"],
  ],
  "a row that changes its partition": [
    [`${a} UPDATE parted SET id = 11`],
    ["D parted_1 a, C parted_2 a"],
  ],
  "a view": [[`${a} UPDATE seen SET note = 'g' WHERE id = 4`], ["U parent a"]],
  "a WITH over two tables": [
    [
      `${a} WITH gone AS (DELETE FROM child RETURNING id) INSERT INTO parted SELECT id FROM gone`,
    ],
    ["D child a, C parted_1 a"],
  ],
  "a savepoint rolled back": [
    [
      "BEGIN",
      `${a} UPDATE parent SET note = 'h' WHERE id = 4`,
      "SAVEPOINT s",
      `${b} UPDATE parent SET note = 'i' WHERE id = 4`,
      "ROLLBACK TO s",
      `${b} UPDATE parent SET note = 'j' WHERE id = 4`,
      "COMMIT",
    ],
    ["U parent a, U parent b"],
  ],
  "contexts in turn, and somebody else's in between": [
    [
      "BEGIN",
      `${a} UPDATE parent SET note = 'k' WHERE id = 4`,
      `${b} UPDATE parent SET note = 'l' WHERE id = 4`,
      emit("other"),
      `${b} UPDATE parent SET note = 'm' WHERE id = 4`,
      "UPDATE parent SET note = 'n' WHERE id = 4",
      "COMMIT",
    ],
    ["U parent a, U parent b, U parent b, U parent b"],
  ],
  "no row of its own": [
    [
      "BEGIN",
      `${a} UPDATE parent SET note = 'o' WHERE id = -1`,
      `${b} UPDATE parent SET note = 'p' WHERE id = 4`,
      "COMMIT",
    ],
    ["U parent b"],
  ],
  TRUNCATE: [[`${a} TRUNCATE child`], ["T child a"]],
  "another package's trigger: each row's message": [
    [
      "BEGIN",
      `INSERT INTO theirs VALUES (1), (2), (3) ${a}`,
      `UPDATE theirs SET note = 'a' WHERE id < 3 ${b}`,
      `INSERT INTO theirs VALUES (3), (4) ON CONFLICT DO NOTHING ${a}`,
      `DELETE FROM theirs WHERE id = 1 ${b}`,
      "COMMIT",
    ],
    [
      "C theirs a, C theirs a, C theirs a, U theirs b, U theirs b, C theirs a, D theirs b",
    ],
  ],
  "another package's trigger: an orphan, a raw statement, TRUNCATE": [
    [
      "BEGIN",
      `INSERT INTO theirs VALUES (3) ON CONFLICT DO NOTHING ${a}`,
      `INSERT INTO theirs VALUES (5) ${b}`,
      "UPDATE theirs SET note = 'raw' WHERE id = 5",
      `TRUNCATE theirs ${a}`,
      "COMMIT",
    ],
    ["C theirs b, U theirs b, T theirs b"],
  ],
  "both packages in one transaction, and a message at the end": [
    [
      "BEGIN",
      `INSERT INTO theirs VALUES (6) ${a}`,
      `${b} UPDATE parent SET note = 'q' WHERE id = 4`,
      `INSERT INTO theirs VALUES (7) ${a}`,
      emit("last"),
      "COMMIT",
    ],
    ["C theirs a, U parent b, C theirs a"],
  ],
  "nothing but a message at the end": [
    ["BEGIN", "INSERT INTO parted VALUES (5)", emit("last"), "COMMIT"],
    ["C parted_1 last"],
  ],
  ...(serverMajor >= 15
    ? {
        MERGE: [
          [
            "INSERT INTO parted VALUES (7)",
            `${a} MERGE INTO parent USING (VALUES (4), (33), (50)) s (id) ON parent.id = s.id
               WHEN MATCHED AND s.id = 4 THEN UPDATE SET note = 'r'
               WHEN MATCHED THEN DELETE
               WHEN NOT MATCHED THEN INSERT VALUES (s.id)`,
          ],
          ["C parted_1 -", "U parent a, D parent a, C parent a, C log a"],
        ] as const,
      }
    : {}),
};

test("each row has the context of its statement", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: SCHEMA,
  });
  const expected: string[] = [];
  for (const [name, [statements, lines]] of Object.entries(golden)) {
    for (const sql of statements) await tracked.sql(sql);
    expected.push(...lines.map((line) => `${name}: ${line}`));
  }
  await tracked.caughtUp();
  const { rows } = await tracked.destination.client.query<{ line: string }>(
    `SELECT string_agg(left(operation, 1) || ' ' || "table" || ' ' || coalesce(context->>'by', '-'), ', ' ORDER BY id) AS line
       FROM changes WHERE "table" <> 'mark' GROUP BY transaction_id ORDER BY min(id::text)`,
  );
  const names = Object.entries(golden).flatMap(([name, [, lines]]) =>
    lines.map(() => name),
  );
  expect(rows.map(({ line }, at) => `${names[at]}: ${line}`)).toEqual(expected);
});
