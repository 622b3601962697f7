/** DDL in the trail: `_bemi_schema_changes` beside the changes. */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { migrate } from "../../worker/destination/destination-schema";
import { storeSchemaChanges } from "../../worker/destination/schema-changes";
import { formatChangeId } from "../../worker/row/change-row";
import { DDL_TRIGGERS } from "../../worker/source/ddl-trigger";
import { testedMajors } from "../support/majors";
import { TrackedDatabase } from "../support/tracked-database";

describe.each(testedMajors(14, 18))("DDL on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("a dropped table ends its history with a mark behind its last change", async () => {
    await using tracked = await TrackedDatabase.start(cluster);
    await tracked.transactions(
      "CREATE TABLE t (id int PRIMARY KEY, note text)",
      "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
      "DROP TABLE t",
    );
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual([
      "CREATE TABLE t (id integer, note text)",
      "CREATE t 1",
      "CREATE t 2",
      "CREATE t 3",
      "DROP TABLE t",
    ]);
    const { rows } = await tracked.destination.client.query(`
      SELECT database, schema, "table", details ->> 'session_user' AS "user",
             details ? 'dropped' AS dropped, context::text,
             committed_at BETWEEN now() - interval '10 min' AND now() AS dated,
             transaction_id > 0 AS numbered
        FROM _bemi_schema_changes WHERE command = 'DROP TABLE'`);
    expect(rows).toEqual([
      {
        database: tracked.source.database,
        schema: "public",
        table: "t",
        user: "postgres",
        dropped: true,
        context: "{}",
        dated: true,
        numbered: true,
      },
    ]);
  });

  test("a column that is rewritten is marked between the changes, and explains a before that nobody wrote", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY, n int)",
    });
    await tracked.transactions(
      "INSERT INTO t VALUES (1, 5)",
      "ALTER TABLE t ALTER n TYPE text USING 'n' || n",
      "UPDATE t SET n = 'x'",
    );
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual([
      "CREATE t 1",
      "ALTER TABLE t rewrites for type",
      "ALTER TABLE t (id integer, n text)",
      "UPDATE t 1",
    ]);
    const [, updated] = await tracked.changes();
    expect(updated?.before).toBe('{"n": "n5"' + ', "id": 1}');
    const { rows } = await tracked.destination.client.query(
      `SELECT details -> 'rewrite' AS rewrite FROM _bemi_schema_changes WHERE details ? 'rewrite'`,
    );
    expect(rows).toEqual([{ rewrite: ["type"] }]);
  });

  test("marks stand where their statements stood, in the transaction too, move no change's id, and have the context of the changes around them", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    const message = (user: number) =>
      `SELECT pg_logical_emit_message(true, '_bemi', '{"user": ${user}}')`;
    await tracked.sql(`
      BEGIN; ALTER TABLE t ADD a int; INSERT INTO t VALUES (1); ${message(1)};
      INSERT INTO t VALUES (2); ALTER TABLE t ADD b int; SAVEPOINT s; DROP TABLE t; ROLLBACK TO s;
      ${message(2)}; ALTER TABLE t ADD c int; INSERT INTO t VALUES (3); COMMIT`);
    await tracked.sql("BEGIN; CREATE TABLE never (id int); ROLLBACK");
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual([
      "ALTER TABLE t (id integer, a integer)",
      "CREATE t 1",
      "CREATE t 2",
      "ALTER TABLE t (id integer, a integer, b integer)",
      "ALTER TABLE t (id integer, a integer, b integer, c integer)",
      "CREATE t 3",
    ]);
    const contexts = await tracked.destination.client.query(
      `SELECT context ->> 'user' AS "user" FROM _bemi_schema_changes ORDER BY position`,
    );
    expect(contexts.rows.map(({ user }) => user)).toEqual(["1", "1", "2"]);
    // The last 62 bits without the slot's 30: the change's number.
    const numbers = await tracked.destination.client.query(
      `SELECT (('x' || right(replace(id::text, '-', ''), 16))::bit(64) << 2)::bit(32)::int AS number
         FROM changes WHERE "table" = 't' ORDER BY id`,
    );
    expect(numbers.rows.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  test("only what is tracked is recorded, and a table that leaves by another name", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      env: { TRACK_TABLES: "public.mark,public.t,public.p,public.moved" },
      schema: `
        CREATE TABLE t (id int PRIMARY KEY);
        CREATE TABLE moved (id int PRIMARY KEY);
        CREATE TABLE p (id int) PARTITION BY LIST (id);
        CREATE TABLE p0 PARTITION OF p FOR VALUES IN (0);
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE SCHEMA s; CREATE TABLE s.t (id int)`,
    });
    await tracked.stopWorker();
    await tracked.sql("DROP TABLE p0");
    await tracked.startWorker();
    await tracked.transactions(
      "CREATE TABLE other (id int); ALTER TABLE other ADD n int",
      "ALTER TABLE s.t ADD n int; DROP TABLE s.t",
      "ALTER TABLE t RENAME TO u",
      "ALTER TABLE u ADD n int",
      "ALTER TABLE moved SET SCHEMA s",
      "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
      "DROP TABLE p1",
      "DROP TABLE p2",
      "CREATE PUBLICATION other; DROP PUBLICATION other",
      "ALTER PUBLICATION bemi SET (publish_via_partition_root = false)",
      'SELECT pg_logical_emit_message(false, \'_bemi_ddl\', \'{"command": "DROP TABLE", "schema": "public", "table": "t"}\')',
      "SELECT pg_logical_emit_message(true, '_bemi_ddl', 'DROP TABLE public.t')",
      "SELECT pg_logical_emit_message(true, '_bemi_ddl', '{\"command\": 1}')",
      'SELECT pg_logical_emit_message(true, \'_bemi_ddl\', \'{"command": "\\u0000", "schema": "public"}\')',
    );
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual([
      "DROP TABLE p0",
      "ALTER TABLE u (id integer)",
      "ALTER TABLE u (id integer, n integer)",
      "ALTER TABLE moved (id integer)",
      "CREATE TABLE p2 (id integer)",
      "DROP TABLE p1",
      "DROP TABLE p2",
      "ALTER PUBLICATION bemi",
    ]);
    expect(await tracked.counter("invalidMarks")).toBe(4);
    expect(await tracked.counter("schemaChanges")).toBe(8);
  });

  test("what was marked while the worker was down is stored once: killed in the middle of it, and sent again afterwards", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    await tracked.stopWorker();
    const slot = tracked.source.database;
    const copySlot = (from: string, to: string) =>
      tracked.sql("SELECT pg_copy_logical_replication_slot($1, $2)", [
        from,
        to,
      ]);
    await copySlot(slot, `${slot}_copy`);
    await tracked.transactions(
      "INSERT INTO t VALUES (1)",
      "CREATE TABLE alone (id int)",
      "DROP TABLE alone",
      "INSERT INTO t VALUES (2)",
      "DROP TABLE t",
    );
    const expected = [
      "CREATE t 1",
      "CREATE TABLE alone (id integer)",
      "DROP TABLE alone",
      "CREATE t 2",
      "DROP TABLE t",
    ];

    const blocker = await tracked.destination.session();
    await blocker.query("BEGIN; LOCK TABLE _bemi_schema_changes");
    const killed = tracked.launchWorker();
    await eventually("the worker waits with rows in hand", async () => {
      const { rows } = await blocker.query(
        "SELECT FROM pg_locks WHERE NOT granted AND relation = '_bemi_schema_changes'::regclass",
      );
      return rows.length > 0;
    });
    await killed.kill();
    await blocker.query("COMMIT");
    expect(await history(tracked)).toEqual([]);

    // The slot forgets what it was told: the last transaction stored is sent once
    // more, and here that has nothing but a mark.
    const lastStored = await tracked.startWorker();
    await eventually(
      "the last mark arrives",
      async () => (await history(tracked)).length >= expected.length,
    );
    await lastStored.kill();
    await eventually("the slot is free", async () => {
      await tracked.sql("SELECT pg_drop_replication_slot($1)", [slot]);
      return true;
    });
    await copySlot(`${slot}_copy`, slot);
    await tracked.startWorker();
    await tracked.caughtUp();
    expect(await tracked.counter("replayed")).toBe(1);
    expect(await history(tracked)).toEqual(expected);
  });

  test("a transaction larger than memory has its marks, each with the context that came late", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      env: { BATCH_MAX_BYTES: "65536" },
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    const rows = (from: number) =>
      `INSERT INTO t SELECT i FROM generate_series(${from}, ${from + 4_999}) i`;
    const context = (user: number) =>
      `SELECT pg_logical_emit_message(true, '_bemi', '{"user": ${user}}')`;
    await tracked.sql(`
      BEGIN; CREATE TABLE first (id int); ${rows(1)}; ALTER TABLE t ADD a int; ${rows(5_001)};
      DROP TABLE first; ${context(1)}; CREATE TABLE last (id int); ${context(2)}; ALTER TABLE t ADD b int; ${rows(10_001)}; COMMIT`);
    await tracked.caughtUp();
    const found = await tracked.destination.client.query(
      `SELECT concat_ws(' ', command, "table", context ->> 'user',
                (SELECT count(*) FROM changes c WHERE "table" = 't' AND c.id < s.id)) AS line
         FROM _bemi_schema_changes s ORDER BY position`,
    );
    expect(found.rows.map(({ line }) => line)).toEqual([
      "CREATE TABLE first 1 0",
      "ALTER TABLE t 1 5000",
      "DROP TABLE first 1 10000",
      "CREATE TABLE last 1 10000",
      "ALTER TABLE t 2 10000",
    ]);
  });

  test("a mark that the destination refuses, alone or with rows, stops the worker with exit code 3, and is there when the reason is gone", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    const { client } = tracked.destination;
    const forbid = (command: string) =>
      client.query(
        `ALTER TABLE _bemi_schema_changes ADD CONSTRAINT strange CHECK (command <> '${command}')`,
      );
    const expectRefused = async (sqlState: string, worker = tracked.worker) => {
      expect(await worker?.exited).toMatchObject({ code: 3 });
      expect(worker?.lines.at(-1)?.msg).toContain(
        `public._bemi_schema_changes refuses a mark of a DDL: SQLSTATE ${sqlState}`,
      );
    };
    const allow = () =>
      client.query("ALTER TABLE _bemi_schema_changes DROP CONSTRAINT strange");
    await forbid("CREATE TABLE");
    await tracked.sql("CREATE TABLE alone (id int)");
    await expectRefused("23514");
    await allow();
    // At the commit, and no sooner.
    await client.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
      CREATE CONSTRAINT TRIGGER late AFTER INSERT ON _bemi_schema_changes
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`);
    await expectRefused("P0001", tracked.launchWorker());
    await client.query("DROP FUNCTION refuse() CASCADE");
    await forbid("ALTER TABLE");
    await tracked.sql(
      "BEGIN; INSERT INTO t VALUES (1); ALTER TABLE t ADD n int; COMMIT",
    );
    await expectRefused("23514", tracked.launchWorker());
    await allow();
    await tracked.startWorker();
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual([
      "CREATE TABLE alone (id integer)",
      "CREATE t 1",
      "ALTER TABLE t (id integer, n integer)",
    ]);
  });

  test("without the triggers a trail goes on, and says what it lacks", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    await tracked.stopWorker();
    for (const { name } of DDL_TRIGGERS) {
      await tracked.sql(`DROP EVENT TRIGGER ${name}`);
    }
    const worker = await tracked.startWorker();
    expect(worker.lines).toContainEqual(
      expect.objectContaining({ code: "ddl-triggers-missing", level: "warn" }),
    );
    await tracked.transactions("INSERT INTO t VALUES (1)", "DROP TABLE t");
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual(["CREATE t 1"]);
  });

  test("where source and destination are one database, the worker's own DDL is none of the trail's", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      oneDatabase: true,
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    const { client } = tracked.source;
    await client.query(`
      CREATE TABLE changes_2001_01 (LIKE changes INCLUDING DEFAULTS);
      ALTER TABLE changes ATTACH PARTITION changes_2001_01 FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')`);
    await client.query(
      "ALTER TABLE changes DETACH PARTITION changes_2001_01 CONCURRENTLY",
    );
    await tracked.transactions(
      "DROP TABLE changes_2001_01",
      "DROP TABLE t",
      "DROP TABLE _bemi_gaps",
    );
    await tracked.caughtUp();
    await tracked.caughtUp();
    expect(await history(tracked)).toEqual(["DROP TABLE t"]);
  });
});

test("a context that came late is given to the marks before it, of its own slot, and to no other with the same id", async () => {
  await using cluster = await Cluster.start({ settings: { fsync: "off" } });
  const client = await cluster.client();
  await migrate(client, { indexValues: false });
  const mark = (ordinal: number, position: bigint, identity: number) => ({
    id: formatChangeId(100n, ordinal, identity),
    position,
    schema: "public",
    table: "t",
    command: "ALTER TABLE",
    details: Buffer.from("{}"),
    context: Buffer.from('{"user": "own"}'),
    committedAtMicros: -1n,
    transactionId: 4_294_967_295,
  });
  const batch = {
    rows: Buffer.alloc(0),
    rowCount: 0,
    months: new Set<number>(),
  };
  await storeSchemaChanges(client, "shop", {
    ...batch,
    schemaChanges: [
      mark(1, 1n, 5),
      mark(3, 3n, 5),
      mark(2, 2n, 6),
      mark(3, 7n, 5),
    ],
  });
  await storeSchemaChanges(client, "shop", {
    ...batch,
    lateContext: {
      firstId: formatChangeId(100n, 0, 0),
      lastId: formatChangeId(100n, 2, 5),
      lastSchemaChangeId: formatChangeId(100n, 3, 5),
      position: 5n,
      identity: 5,
      context: Buffer.from('{"user": "late"}'),
    },
  });
  const { rows } = await client.query(`
    SELECT array_agg(context ->> 'user' ORDER BY position, id) AS users,
           min(transaction_id) AS transaction, min(committed_at AT TIME ZONE 'UTC')::text AS at
      FROM public._bemi_schema_changes`);
  await client.end();
  expect(rows).toEqual([
    {
      users: ["late", "own", "late", "own"],
      transaction: "4294967295",
      at: "1999-12-31 23:59:59.999999",
    },
  ]);
});

/** Changes and DDL in one order, by id, as documented; without the marks. */
async function history(tracked: TrackedDatabase): Promise<string[]> {
  const { rows } = await tracked.destination.client.query<{ line: string }>(`
    SELECT line FROM (
      SELECT id, 1 AS rank, position, concat_ws(' ', operation, "table", primary_key) AS line
        FROM changes WHERE "table" <> 'mark'
      UNION ALL
      SELECT id, 0, position, concat_ws(' ', command, "table", details ->> 'publication',
               '(' || (SELECT string_agg(key || ' ' || value, ', ' ORDER BY key <> 'id', key)
                         FROM jsonb_each_text(details -> 'columns')) || ')',
               'rewrites for ' || (details #>> '{rewrite,0}'))
        FROM _bemi_schema_changes
    ) history ORDER BY id, rank, position`);
  return rows.map(({ line }) => line);
}
