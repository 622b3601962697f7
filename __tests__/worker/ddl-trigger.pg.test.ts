/** What the event triggers leave in the log of each kind of DDL. */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { DDL_PREFIX } from "../../worker/source/ddl-trigger";
import { checkSource } from "../../worker/source/preflight";
import { readSourceFacts } from "../../worker/source/source-facts";
import { readTables } from "../../worker/source/tracked-tables";
import { testedMajors } from "../support/majors";
import {
  createSource,
  type Source,
  setUp,
  setUpOptions,
  warningsOf,
} from "../support/source";

describe.each(testedMajors(14, 18))("DDL on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({
      major,
      settings: { fsync: "off", autovacuum: "off" },
    });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test.each<[string, readonly string[]]>([
    [
      `CREATE TABLE made (id int PRIMARY KEY, "Odd ""one" numeric(5,2))`,
      ['CREATE TABLE public.made (id integer, Odd "one numeric(5,2))'],
    ],
    [
      "CREATE TABLE ctas AS SELECT 1 AS a",
      ["CREATE TABLE AS public.ctas (a integer)"],
    ],
    ["SELECT 1 AS a INTO chosen", ["SELECT INTO public.chosen (a integer)"]],
    [
      "CREATE SCHEMA s2 CREATE TABLE a (id int) CREATE TABLE b (id int)",
      ["CREATE TABLE s2.a (id integer)", "CREATE TABLE s2.b (id integer)"],
    ],
    [
      "ALTER TABLE t ALTER n TYPE text USING 'n' || n",
      [
        "ALTER TABLE public.t rewrites for type",
        "ALTER TABLE public.t (id integer, n text)",
      ],
    ],
    [
      "ALTER TABLE t ADD at timestamptz DEFAULT clock_timestamp()",
      [
        "ALTER TABLE public.t rewrites for default",
        "ALTER TABLE public.t (id integer, n integer, at timestamp with time zone)",
      ],
    ],
    [
      "ALTER TABLE t ADD note text DEFAULT 'x'",
      ["ALTER TABLE public.t (id integer, n integer, note text)"],
    ],
    [
      "ALTER TABLE t SET UNLOGGED",
      ["ALTER TABLE public.t rewrites for persistence"],
    ],
    [
      "ALTER TABLE t DROP n",
      ["ALTER TABLE public.t.n dropped", "ALTER TABLE public.t (id integer)"],
    ],
    [
      "ALTER TABLE t RENAME n TO m",
      ["ALTER TABLE public.t.m (id integer, m integer)"],
    ],
    [
      "ALTER TABLE t RENAME TO u",
      ["ALTER TABLE public.u (id integer, n integer)"],
    ],
    ["ALTER TABLE t SET SCHEMA s", ["ALTER TABLE s.t (id integer, n integer)"]],
    ["ALTER SCHEMA s RENAME TO r", ["ALTER SCHEMA r"]],
    ["DROP TABLE t", ["DROP TABLE public.t dropped"]],
    [
      "DROP SCHEMA s CASCADE",
      ["DROP SCHEMA s.one dropped", "DROP SCHEMA s.two dropped"],
    ],
    ["DROP TYPE mood CASCADE", ["DROP TYPE public.moody.m dropped"]],
    [
      "CREATE TABLE p3 PARTITION OF p FOR VALUES IN (3)",
      ["CREATE TABLE public.p3 (id integer) of public.p"],
    ],
    [
      "ALTER TABLE p ATTACH PARTITION loose FOR VALUES IN (4)",
      ["ALTER TABLE public.p (id integer) with p1, p2, loose"],
    ],
    [
      "ALTER TABLE p DETACH PARTITION p1",
      ["ALTER TABLE public.p (id integer) with p2"],
    ],
    [
      "ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY",
      ["ALTER TABLE public.p (id integer) with p1"],
    ],
    ["DROP TABLE p1", ["DROP TABLE public.p1 dropped"]],
    ["CREATE PUBLICATION other FOR TABLE t", ["CREATE PUBLICATION other"]],
    ["ALTER PUBLICATION mine ADD TABLE t", ["ALTER PUBLICATION public.t mine"]],
    [
      "ALTER PUBLICATION mine DROP TABLE loose",
      ["ALTER PUBLICATION public.loose mine dropped"],
    ],
    ["DROP PUBLICATION bemi", ["DROP PUBLICATION bemi dropped"]],
    [
      "CREATE INDEX ON t (n); CREATE VIEW v AS SELECT 1; DROP VIEW v; CREATE SEQUENCE q",
      [],
    ],
    ["CREATE EXTENSION IF NOT EXISTS pg_trgm", []],
    ["CREATE UNLOGGED TABLE fast (id int)", []],
    ["CREATE TABLE IF NOT EXISTS t (id int)", []],
    ["CREATE TABLE _bemi.own (id int); DROP TABLE _bemi.own", []],
  ])("%s", async (sql, expected) => {
    await using source = await prepared();
    await source.client.query(sql);
    expect((await marks(source)).map(brief)).toEqual(expected);
  });

  test("is marked with the table's OID and who did it, and without its text", async () => {
    await using source = await prepared();
    const { client } = source;
    await client.query(
      `CREATE ROLE owner_${major}; GRANT CREATE ON SCHEMA public TO owner_${major}; SET ROLE owner_${major};
       CREATE TABLE theirs (id int DEFAULT 4711); RESET ROLE`,
    );
    const { rows } = await client.query(
      "SELECT 'theirs'::regclass::oid::int8 AS oid",
    );
    const [mark] = await marks(source);
    expect(mark).toEqual({
      command: "CREATE TABLE",
      type: "table",
      oid: Number(rows[0].oid),
      schema: "public",
      table: "theirs",
      columns: { id: "integer" },
      session_user: "postgres",
      current_user: `owner_${major}`,
    });
    await client.query(
      `DROP OWNED BY owner_${major}; DROP ROLE owner_${major}`,
    );
    expect((await marks(source)).map(brief)).toEqual([
      "DROP OWNED public.theirs dropped",
    ]);
  });

  test("that is rolled back, with its transaction or to a savepoint, leaves no mark", async () => {
    await using source = await prepared();
    await source.client.query("BEGIN; DROP TABLE t; ROLLBACK");
    await source.client.query(
      "BEGIN; SAVEPOINT a; DROP TABLE t; ROLLBACK TO a; CREATE TABLE kept (id int); COMMIT",
    );
    expect((await marks(source)).map(brief)).toEqual([
      "CREATE TABLE public.kept (id integer)",
    ]);
  });

  test("of 1,000 temporary tables leaves no mark", async () => {
    await using source = await prepared();
    await source.client.query(`
      DO $$ BEGIN FOR i IN 1..1000 LOOP
        EXECUTE 'CREATE TEMP TABLE passing (id int)';
        IF i % 100 = 0 THEN
          EXECUTE 'ALTER TABLE passing ADD n int DEFAULT random()';
        END IF;
        EXECUTE 'DROP TABLE passing';
        COMMIT;
      END LOOP; END $$`);
    expect(await marks(source)).toEqual([]);
  });

  test("by a role without a privilege on anything of the kit's is marked; where it may not send messages it works all the same, and says nothing", async () => {
    await using source = await prepared();
    const { client } = source;
    const role = `migrator_${major}`;
    await client.query(
      `CREATE ROLE ${role}; GRANT CREATE ON SCHEMA public TO ${role};
       REVOKE ALL ON SCHEMA _bemi FROM PUBLIC; REVOKE ALL ON ALL FUNCTIONS IN SCHEMA _bemi FROM PUBLIC;
       CREATE TABLE owned (id int); ALTER TABLE owned OWNER TO ${role}`,
    );
    await marks(source);
    const warnings = warningsOf(client);
    const migrate = async () => {
      await client.query(
        `SET ROLE ${role}; CREATE TABLE mine (id int); ALTER TABLE mine ALTER id TYPE text; DROP TABLE mine; RESET ROLE`,
      );
      return (await marks(source)).length;
    };
    expect(await migrate()).toBe(4);
    const signature = await messageFunction(client);
    await client.query(`REVOKE EXECUTE ON FUNCTION ${signature} FROM PUBLIC`);
    expect(await migrate()).toBe(0);
    expect(warnings).toEqual([]);

    const options = setUpOptions(source);
    const [finding, ...others] = checkSource(
      await readSourceFacts(client, options),
      await readTables(client),
      options,
    );
    expect(others).toEqual([]);
    expect(finding?.code).toBe("ddl-mark-privilege");
    await client.query(finding?.remedy ?? "");
    expect(await migrate()).toBe(4);
    await client.query(
      `GRANT EXECUTE ON FUNCTION ${signature} TO PUBLIC; DROP OWNED BY ${role}; DROP ROLE ${role}`,
    );
  });

  test("goes on when a mark cannot be made, with a warning", async () => {
    await using source = await prepared();
    const { client } = source;
    const helper = "pg_identify_object_as_address(oid, oid, int)";
    await client.query(
      `REVOKE EXECUTE ON FUNCTION ${helper} FROM PUBLIC; CREATE ROLE plain_${major}; GRANT CREATE ON SCHEMA public TO plain_${major}; SET ROLE plain_${major}`,
    );
    const warnings = warningsOf(client);
    await client.query("CREATE TABLE made (id int)");
    await client.query(
      `RESET ROLE; GRANT EXECUTE ON FUNCTION ${helper} TO PUBLIC`,
    );
    expect(warnings).toEqual([
      "bemi: CREATE TABLE left no mark in the trail: permission denied for function pg_identify_object_as_address",
    ]);
    expect(await marks(source)).toEqual([]);
    await client.query("SELECT FROM made");
    await client.query(
      `DROP OWNED BY plain_${major}; DROP ROLE plain_${major}`,
    );
  });

  test("takes no lock on another table, and no id for a subtransaction", async () => {
    await using source = await prepared();
    const { client } = source;
    const nextId = async () => {
      const { rows } = await client.query<{ id: string }>(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS id",
      );
      return BigInt(rows[0]?.id ?? 0);
    };
    const before = await nextId();
    await client.query("BEGIN");
    await client.query(
      "ALTER TABLE t ADD added int; ALTER TABLE p ADD added int; DROP TABLE loose",
    );
    const { rows } = await client.query(`
      SELECT DISTINCT relation::regclass::text AS name
        FROM pg_locks JOIN pg_class c ON c.oid = relation
       WHERE pid = pg_backend_pid() AND relation >= 16384 AND relkind IN ('r', 'p')
       ORDER BY 1`);
    await client.query("COMMIT");
    expect(rows.map(({ name }) => name)).toEqual(["p", "p1", "p2", "t"]);
    expect((await nextId()) - before).toBe(1n);
  });

  /** Set up, with a table of each kind, and nothing to read yet. */
  async function prepared(): Promise<Source> {
    const source = await createSource(cluster);
    await source.client.query(`
      CREATE TABLE t (id int PRIMARY KEY, n int);
      CREATE SCHEMA s;
      CREATE TABLE s.one (id int); CREATE TABLE s.two (id int);
      CREATE TABLE p (id int) PARTITION BY LIST (id);
      CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
      CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
      CREATE TABLE loose (id int);
      CREATE TYPE mood AS ENUM ('ok');
      CREATE TABLE moody (id int, m mood);
      CREATE PUBLICATION mine FOR TABLE loose`);
    await setUp(source);
    return source;
  }
});

interface Mark {
  readonly command: string;
  readonly type: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly publication?: string;
  readonly dropped?: true;
  readonly rewrite?: readonly string[];
  readonly columns?: Readonly<Record<string, string>>;
  readonly ancestors?: readonly { schema: string; table: string }[];
  readonly partitions?: readonly { schema: string; table: string }[];
}

/** The marks since the last look, as pgoutput sends them. */
async function marks({ client, database }: Source): Promise<Mark[]> {
  const { rows } = await client.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_get_binary_changes('${database}', NULL, NULL,
       'proto_version', '1', 'publication_names', 'bemi', 'messages', 'on')
      WHERE get_byte(data, 0) = ascii('M')`,
  );
  return rows.flatMap(({ data }) => {
    const end = data.indexOf(0, 10);
    const isMark = data.toString("utf8", 10, end) === DDL_PREFIX;
    // Tag, transactional, position, prefix, length, content.
    expect(data[1]).toBe(1);
    return isMark ? [JSON.parse(data.toString("utf8", end + 5))] : [];
  });
}

function brief(mark: Mark): string {
  const { columns, ancestors, partitions } = mark;
  const name = [mark.schema, mark.table, mark.column].filter((part) => part);
  const list = Object.entries(columns ?? {}).map((column) => column.join(" "));
  const [parent] = ancestors ?? [];
  return [
    mark.command,
    name.join("."),
    mark.publication,
    columns && `(${list.join(", ")})`,
    mark.dropped && "dropped",
    mark.rewrite && `rewrites for ${mark.rewrite.join(", ")}`,
    parent && `of ${parent.schema}.${parent.table}`,
    partitions && `with ${partitions.map(({ table }) => table).join(", ")}`,
  ]
    .filter((part) => part)
    .join(" ");
}

/** 17 gave it a fourth parameter. */
async function messageFunction(client: Client): Promise<string> {
  const { rows } = await client.query<{ signature: string }>(
    "SELECT oid::regprocedure::text AS signature FROM pg_proc WHERE proname = 'pg_logical_emit_message' AND proargtypes[2] = 'text'::regtype",
  );
  return rows[0]?.signature ?? "";
}
