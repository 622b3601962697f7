/** Sources that hold or are something else than tables in UTF-8 that people write to. */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { runCommand } from "../support/command";
import { identities } from "../support/source";
import { type ChangeRow, TrackedDatabase } from "../support/tracked-database";
import { Trail } from "../support/trail";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const brief = ({ table, operation, primaryKey }: ChangeRow) =>
  [table, operation, primaryKey].join(" ");

test("what is no ordinary table leaves no false row and stops nothing", async () => {
  const { host, port, user, password } = cluster;
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE plain (id int PRIMARY KEY, note text);
      CREATE UNLOGGED TABLE fast (id int PRIMARY KEY);
      CREATE SEQUENCE numbers;
      CREATE VIEW seen AS SELECT * FROM plain;
      CREATE MATERIALIZED VIEW summary AS SELECT count(*) FROM plain;
      CREATE EXTENSION postgres_fdw;`,
  });
  const { database } = tracked.source;
  await tracked.sql(`
    CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${host}', port '${port}', dbname '${database}');
    CREATE USER MAPPING FOR CURRENT_USER SERVER itself OPTIONS (user '${user}', password '${password}');
    CREATE FOREIGN TABLE far (id int, note text) SERVER itself OPTIONS (table_name 'plain')`);
  await tracked.transactions(
    "SELECT nextval('numbers'), setval('numbers', 100)",
    "INSERT INTO fast VALUES (1); UPDATE fast SET id = 2; DELETE FROM fast; TRUNCATE fast; INSERT INTO fast VALUES (3)",
    "CREATE TEMPORARY TABLE passing (id int PRIMARY KEY); INSERT INTO passing VALUES (1); UPDATE passing SET id = 2; DROP TABLE passing",
    "INSERT INTO seen VALUES (1, 'by the view')",
    "REFRESH MATERIALIZED VIEW summary",
    "INSERT INTO far VALUES (2, 'from afar')",
    "UPDATE far SET note = 'again' WHERE id = 2",
    "SELECT lo_from_bytea(4711, '\\x0102'); SELECT lo_put(4711, 0, '\\x03'); SELECT lo_unlink(4711)",
    "CREATE TABLE copied AS SELECT * FROM plain",
    "ALTER TABLE fast SET LOGGED",
    "INSERT INTO fast VALUES (4)",
  );
  await tracked.caughtUp();
  expect((await tracked.changes()).map(brief)).toEqual([
    "plain CREATE 1",
    "plain CREATE 2",
    "plain UPDATE 2",
    "copied CREATE 1",
    "copied CREATE 2",
    "fast CREATE 4",
  ]);
});

test("an unlogged table that is named gets a warning, and its neighbours are tracked", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema:
      "CREATE TABLE plain (id int PRIMARY KEY); CREATE UNLOGGED TABLE fast (id int PRIMARY KEY)",
    env: { TRACK_TABLES: "public.mark,public.plain,public.fast" },
  });
  await tracked.transactions(
    "INSERT INTO fast VALUES (1)",
    "INSERT INTO plain VALUES (1)",
  );
  await tracked.caughtUp();
  expect((await tracked.changes()).map(brief)).toEqual(["plain CREATE 1"]);
  await tracked.stopWorker();
  const { source, destination, options } = tracked;
  const env = workerEnvironment(
    cluster,
    source.database,
    { cluster, database: destination.database },
    { SLOT_NAME: source.database, ...options.env },
  );
  const { code, stdout } = await runCommand(env, "check");
  expect(code).toBe(0);
  expect(stdout).toContain("table-unlogged: public.fast is unlogged");
  expect(stdout).toContain('ALTER TABLE "public"."fast" SET LOGGED;');
});

test("a database that was renamed goes on with its trail once an operator has said so", async () => {
  await using other = await Cluster.start({ settings: { fsync: "off" } });
  await using trail = await Trail.create({
    source: cluster,
    destination: other,
    tables: "CREATE TABLE t (id int PRIMARY KEY)",
  });
  const { database } = trail;
  const renamed = { DB_NAME: `${database}_renamed` };
  const rename = async (from: string, to: string) => {
    await trail.source[Symbol.asyncDispose]();
    const admin = await cluster.client();
    await admin.query(`ALTER DATABASE ${from} RENAME TO ${to}`);
    await admin.end();
  };
  const first = await trail.streaming();
  await trail.source.query("INSERT INTO t VALUES (1)");
  await trail.reached(1);
  first.signal("SIGTERM");
  await first.exited;
  await trail.source.query("INSERT INTO t VALUES (2)");
  await rename(database, renamed.DB_NAME);

  const refused = trail.start(renamed);
  expect(await refused.exited).toMatchObject({ code: 3 });
  const remedy = String(refused.lines.at(-1)?.remedy);
  const [sql = ""] = /UPDATE .*?;/.exec(remedy) ?? [];
  await trail.destination.query(sql);
  const again = await trail.streaming(renamed);
  await trail.reached(2);
  again.signal("SIGTERM");
  await again.exited;
  await rename(renamed.DB_NAME, database);
});

describe("a source that is itself a subscriber", () => {
  test("has each row once, with no context but its own", async () => {
    await using upstream = await Cluster.start({ settings: { fsync: "off" } });
    const client = await upstream.client();
    await client.query(`
      CREATE TABLE t (id int PRIMARY KEY, note text);
      INSERT INTO t VALUES (1, 'copied');
      CREATE PUBLICATION up FOR TABLE t;`);
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TABLE t (id int PRIMARY KEY, note text);
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN PERFORM pg_logical_emit_message(true, '_bemi', '{"by": "trigger"}'); RETURN NEW; END $$;
        CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tell()`,
    });
    const { host, port, user, password } = upstream;
    await using _subscription = await subscribe(
      tracked.source.client,
      `host=${host} port=${port} user=${user} password=${password} dbname=postgres`,
      tracked.source.database,
    );
    await client.query(`
      BEGIN;
      SELECT pg_logical_emit_message(true, '_bemi', '{"by": "upstream"}');
      INSERT INTO t VALUES (2, 'x');
      COMMIT;
      UPDATE t SET note = 'y' WHERE id = 2;
      DELETE FROM t WHERE id = 1`);
    await eventually("the subscription applies", async () => {
      const { rows } = await tracked.source.client.query(
        "SELECT id, note FROM t",
      );
      return rows.length === 1 && rows[0].note === "y";
    });
    await tracked.sql("INSERT INTO t VALUES (3, 'own')");
    await tracked.sql(
      "SET session_replication_role = replica; INSERT INTO t VALUES (4, 'own'); RESET session_replication_role",
    );
    await tracked.caughtUp();
    expect(
      (await tracked.changes()).map(
        (change) => `${brief(change)} ${change.context}`,
      ),
    ).toEqual([
      "t CREATE 1 {}",
      "t CREATE 2 {}",
      "t UPDATE 2 {}",
      "t DELETE 1 {}",
      't CREATE 3 {"by": "trigger"}',
      "t CREATE 4 {}",
    ]);
    expect(await identities(tracked.source.client, "t")).toEqual(["f"]);
    expect(
      tracked.worker?.lines.filter(({ msg }) => msg === "streaming"),
    ).toHaveLength(1);
    await client.end();
  });
});

test("a LATIN1 source's values, names and contexts arrive as they were written", async () => {
  const database = `latin_${process.pid}`;
  const admin = await cluster.client();
  await admin.query(
    `CREATE DATABASE ${database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
  );
  await admin.query(`CREATE DATABASE ${database}_trail`);
  await admin.end();
  const source = await cluster.client(database);
  const destination = await cluster.client(`${database}_trail`);
  await source.query(
    'CREATE TABLE "größe" (id int PRIMARY KEY, "é" text, j jsonb, a text[])',
  );
  {
    await using worker = WorkerProcess.start(
      workerEnvironment(
        cluster,
        database,
        { cluster, database: `${database}_trail` },
        { SLOT_NAME: database },
      ),
    );
    await worker.log("streaming");
    await source.query(`
      BEGIN;
      SELECT pg_logical_emit_message(true, '_bemi', '{"wer": "Zoë ÿ"}');
      INSERT INTO "größe" VALUES (1, 'café ÿ', '{"ü": "ß"}', ARRAY['à', NULL]);
      COMMIT`);
    const [row] = await eventually("the row", async () => {
      const { rows } = await destination.query(
        'SELECT "table", after::text, context::text FROM changes',
      );
      return rows.length > 0 && rows;
    });
    expect(row).toEqual({
      table: "größe",
      after: '{"a": ["à", null], "j": {"ü": "ß"}, "id": 1, "é": "café ÿ"}',
      context: '{"wer": "Zoë ÿ"}',
    });
  }
  await destination.end();
  await source.end();
});

async function subscribe(
  client: Client,
  connection: string,
  name: string,
): Promise<AsyncDisposable> {
  await client.query(
    `CREATE SUBSCRIPTION "${name}" CONNECTION '${connection}' PUBLICATION up`,
  );
  await eventually("the first copy is made", async () => {
    const { rows } = await client.query(
      "SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'",
    );
    return rows.length === 0;
  });
  return {
    async [Symbol.asyncDispose]() {
      await client.query(`DROP SUBSCRIPTION "${name}"`);
    },
  };
}
