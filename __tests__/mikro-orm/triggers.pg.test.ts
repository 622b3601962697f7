/** What the migration's SQL makes, on which tables, and what it writes to the log. */
import type { Client } from "pg";
import { bemiDownSql } from "../../mikro-orm/source/down-sql";
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { serverMajor } from "../support/majors";
import {
  createSource,
  type Source,
  setUp,
  warningsOf,
} from "../support/source";

const EMIT = `pg_logical_emit_message(boolean, text, text${serverMajor >= 17 ? ", boolean" : ""})`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Tables with the trigger, as SQL writes their names. */
async function withTrigger(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name
       FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
       JOIN pg_namespace n ON n.oid = relnamespace
      WHERE tgname = '_bemi_stmt_trigger' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** Everything called _bemi or in the schema of that name, and rights on it. */
async function traces(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT 'schema ' || coalesce(nspacl::text, '') AS name FROM pg_namespace WHERE nspname = '_bemi'
     UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = to_regnamespace('_bemi')
     UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
     UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%bemi%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

interface LoggedMessage {
  readonly type: string;
  readonly content: string;
}

/** What a slot sees of the writes: types of messages (M, I, U, D, T) and texts. */
async function logOf(
  { client, database }: Source,
  write: () => Promise<unknown>,
): Promise<{ types: string; contexts: string[] }> {
  await client.query(
    `SELECT pg_create_logical_replication_slot('${database}', 'pgoutput')`,
  );
  await write();
  const { rows } = await client.query<LoggedMessage>(
    `SELECT chr(get_byte(data, 0)) AS type, encode(data, 'escape') AS content
       FROM pg_logical_slot_get_binary_changes('${database}', NULL, NULL,
         'proto_version', '1', 'publication_names', 'everything', 'messages', 'true')`,
  );
  await client.query(`SELECT pg_drop_replication_slot('${database}')`);
  return {
    types: rows
      .map(({ type }) => type)
      .filter((type) => "MIUDT".includes(type))
      .join(""),
    contexts: rows
      .filter(({ type }) => type === "M")
      .map(({ content }) => /\{.*\}/s.exec(content)?.[0] ?? content),
  };
}

const by = (who: string) => `/*Bemi {"by":"${who}"} Bemi*/`;

async function trackedSource(tables: string): Promise<Source> {
  const source = await createSource(cluster);
  await source.client.query(
    `${tables}; CREATE PUBLICATION everything FOR ALL TABLES`,
  );
  await source.client.query(bemiUpSql());
  return source;
}

describe("in the log", () => {
  let source: Source;
  beforeAll(async () => {
    source = await trackedSource(
      `CREATE TABLE parent (id int PRIMARY KEY, note text);
       CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE);
       CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
       CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
       CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
       INSERT INTO parent SELECT i, 'a' FROM generate_series(1000, 1009) i;
       INSERT INTO child SELECT i, i FROM generate_series(1000, 1009) i`,
    );
  });
  afterAll(() => source[Symbol.asyncDispose]());

  const a = by("a");
  const b = by("b");
  test.each<[string, string[], string, string[]]>([
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
      "MIU",
      ["a"],
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
});

describe("tables", () => {
  const attack = "a after insert on v execute function f();create trigger b";

  test("of any name and schema have it, now and later, however they are made", async () => {
    await using source = await trackedSource(
      `CREATE SCHEMA "My schema"; CREATE TABLE "My schema"."my-table" (id int);
       CREATE TABLE "${attack}" (id int); CREATE TABLE "with""quote" (id int);
       CREATE TABLE parted (id int) PARTITION BY LIST (id);
       CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
       CREATE UNLOGGED TABLE unlogged (id int); CREATE VIEW v AS SELECT 1 AS id;
       CREATE TEMP TABLE parted_2 (id int)`,
    );
    const { client } = source;
    const before = [
      '"My schema"."my-table"',
      `public."${attack}"`,
      'public."with""quote"',
      "public.parted",
      "public.parted_1",
    ];
    expect(await withTrigger(client)).toEqual(before.sort());
    const warnings = warningsOf(client);
    await client.query(`CREATE TABLE "new-table" (id int)`);
    await client.query("CREATE TABLE made_as AS SELECT 1 AS id");
    await client.query("SELECT 1 AS id INTO selected_into");
    await client.query("CREATE SCHEMA other CREATE TABLE within (id int)");
    await client.query(
      "CREATE TABLE parted_3 PARTITION OF parted FOR VALUES IN (3)",
    );
    await client.query("CREATE TEMP TABLE temporary (id int)");
    await client.query(
      "SET search_path = ''; CREATE TABLE public.no_path (id int); RESET search_path",
    );
    const after = [
      'public."new-table"',
      "public.made_as",
      "public.selected_into",
      "other.within",
      "public.parted_3",
      "public.no_path",
    ];
    expect(await withTrigger(client)).toEqual([...before, ...after].sort());
    expect(warnings).toEqual([]);
  });

  test("of other roles have it, and a search_path full of traps changes nothing", async () => {
    await using source = await trackedSource("CREATE TABLE mine (id int)");
    const { client, database } = source;
    const role = `plain_${database}`;
    const warnings = warningsOf(client);
    await client.query(
      `CREATE ROLE ${role}; GRANT CREATE ON DATABASE ${database} TO ${role}; SET ROLE ${role};
       CREATE SCHEMA trap;
       CREATE FUNCTION trap.left(text, int) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'caught'; END$$;
       CREATE FUNCTION trap.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'caught'; END$$;
       SET search_path = trap, pg_catalog; CREATE TABLE trap.theirs (id int)`,
    );
    await client.query(`${by("a")} INSERT INTO trap.theirs VALUES (1)`);
    await client.query("RESET ROLE; RESET search_path");
    expect(await withTrigger(client)).toEqual(["public.mine", "trap.theirs"]);
    expect(warnings).toEqual([]);
  });

  test("that belong to somebody else are left out with a warning, and nothing fails", async () => {
    await using source = await createSource(cluster);
    const { client, database } = source;
    const role = `app_${database}`;
    await client.query(
      `CREATE TABLE theirs (id int); CREATE ROLE ${role};
       GRANT CREATE ON DATABASE ${database} TO ${role};
       GRANT CREATE ON SCHEMA public TO ${role}; SET ROLE ${role};
       CREATE TABLE mine (id int)`,
    );
    const warnings = warningsOf(client);
    await client.query(bemiUpSql());
    expect(warnings).toEqual([
      "bemi: changes of public.theirs have no context, it belongs to postgres",
      expect.stringContaining("no event trigger for new tables"),
    ]);
    expect(await withTrigger(client)).toEqual(["public.mine"]);
    await client.query(bemiDownSql());
    expect(await traces(client)).toEqual([]);
  });

  test("that are locked are left out with a warning, and the others have it", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query(
      "CREATE TABLE busy (id int); CREATE TABLE idle (id int)",
    );
    const other = await source.session();
    await other.query("BEGIN; INSERT INTO busy VALUES (1)");
    const warnings = warningsOf(client);
    await client.query(bemiUpSql());
    expect(warnings).toEqual([
      "bemi: changes of public.busy have no context, it was locked; later run: CALL _bemi.create_triggers()",
    ]);
    await other.query("COMMIT");
    await client.query("CALL _bemi.create_triggers()");
    expect(await withTrigger(client)).toEqual(["public.busy", "public.idle"]);
  });
});

describe("up and down", () => {
  test("again and again, leave nothing behind", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query("CREATE TABLE a (id int)");
    for (const round of [1, 2]) {
      await client.query(bemiUpSql());
      const once = await traces(client);
      await client.query(bemiUpSql());
      expect(await traces(client)).toEqual(once);
      expect(once).toHaveLength(7);
      for (const _again of [1, round]) await client.query(bemiDownSql());
      expect(await traces(client)).toEqual([]);
    }
  });

  test("beside the worker's objects, in either order", async () => {
    for (const workerFirst of [true, false]) {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query("CREATE TABLE a (id int PRIMARY KEY)");
      if (workerFirst) await setUp(source);
      const workers = await traces(client);
      await client.query(bemiUpSql());
      if (!workerFirst) await setUp(source);
      await client.query("CREATE TABLE b (id int PRIMARY KEY)");
      expect(await withTrigger(client)).toEqual(["public.a", "public.b"]);
      const { rows } = await client.query(
        "SELECT relreplident AS identity FROM pg_class WHERE oid = 'b'::regclass",
      );
      expect(rows).toEqual([{ identity: "f" }]);
      await client.query(bemiDownSql());
      const left = (await traces(client)).map((name) =>
        name.replace(/^schema .*/, "schema"),
      );
      expect(left).toContain(
        "event trigger _bemi_set_replica_identity_trigger",
      );
      expect(left.join()).not.toContain("stmt_trigger");
      expect(left.join()).not.toContain("create_table");
      if (workerFirst)
        expect(left).toEqual(
          workers.map((name) => name.replace(/^schema .*/, "schema")),
        );
      const { rows: granted } = await client.query(
        "SELECT has_schema_privilege('pg_monitor', '_bemi', 'USAGE') AS usage",
      );
      expect(granted).toEqual([{ usage: false }]);
    }
  });

  test("replace the row triggers of another Bemi package", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query(
      `CREATE TABLE a (id int PRIMARY KEY);
       CREATE FUNCTION _bemi_row_trigger_func() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
         PERFORM pg_logical_emit_message(true, '_bemi', '{}'); RETURN NEW; END$$;
       CREATE TRIGGER _bemi_row_trigger_a BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION _bemi_row_trigger_func();
       CREATE TRIGGER mine BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION _bemi_row_trigger_func();
       CREATE FUNCTION theirs() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       CREATE EVENT TRIGGER _bemi_create_table_trigger ON ddl_command_end EXECUTE FUNCTION theirs()`,
    );
    await client.query(bemiUpSql());
    const { rows } = await client.query(
      "SELECT tgname FROM pg_trigger WHERE tgrelid = 'a'::regclass ORDER BY 1",
    );
    expect(rows.map(({ tgname }) => tgname)).toEqual([
      "_bemi_stmt_trigger",
      "mine",
    ]);
    // Another package's event trigger is not ours to take away.
    await client.query(
      "DROP EVENT TRIGGER _bemi_create_table_trigger; CREATE EVENT TRIGGER _bemi_create_table_trigger ON ddl_command_end EXECUTE FUNCTION theirs()",
    );
    await client.query(bemiDownSql());
    expect(await traces(client)).toEqual([
      "event trigger _bemi_create_table_trigger",
    ]);
  });

  test("a superuser does not build on somebody else's schema, and takes over functions with the schema", async () => {
    await using source = await createSource(cluster);
    const { client, database } = source;
    const role = `trap_${database}`;
    await client.query(
      `CREATE ROLE ${role}; GRANT CREATE ON DATABASE ${database} TO ${role}; SET ROLE ${role}`,
    );
    await client.query(bemiUpSql());
    await client.query("RESET ROLE");
    await expect(client.query(bemiUpSql())).rejects.toMatchObject({
      code: "42501",
      hint: `Run this as ${role}, or first: ALTER SCHEMA _bemi OWNER TO postgres`,
    });
    await client.query("ALTER SCHEMA _bemi OWNER TO postgres");
    await client.query(bemiUpSql());
    const { rows } = await client.query(
      "SELECT DISTINCT proowner::regrole::text AS owner FROM pg_proc WHERE pronamespace = '_bemi'::regnamespace",
    );
    expect(rows).toEqual([{ owner: "postgres" }]);
  });

  test("a role that may not write to the schema is told what to run", async () => {
    await using source = await createSource(cluster);
    const { client, database } = source;
    await client.query(
      `CREATE SCHEMA _bemi; CREATE ROLE app2_${database}; SET ROLE app2_${database}`,
    );
    await expect(client.query(bemiUpSql())).rejects.toMatchObject({
      hint: `As postgres: GRANT USAGE, CREATE ON SCHEMA _bemi TO app2_${database}`,
    });
  });

  test("a role that may not write messages is told what to run, and no write can fail", async () => {
    await using source = await createSource(cluster);
    const { client, database } = source;
    const role = `app3_${database}`;
    await client.query(
      `CREATE ROLE ${role}; GRANT CREATE ON DATABASE ${database} TO ${role};
       REVOKE EXECUTE ON FUNCTION ${EMIT} FROM PUBLIC; SET ROLE ${role}`,
    );
    const failure = await client.query(bemiUpSql()).catch((error) => error);
    expect(failure.hint).toBe(
      `As a superuser: GRANT EXECUTE ON FUNCTION ${EMIT.replaceAll(", ", ",")} TO ${role}`,
    );
    expect(await traces(client)).toEqual([]);
    await client.query(
      `RESET ROLE; ${failure.hint.slice(16)}; SET ROLE ${role}`,
    );
    await client.query(bemiUpSql());
  });
});
