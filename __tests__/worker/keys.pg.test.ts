/** What `primary_key` holds, with the catalogue of today and rows of before. */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { identitySql, TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** `table: key` of each change, in order. */
async function keys(tracked: TrackedDatabase): Promise<string[]> {
  await tracked.caughtUp();
  const changes = await tracked.changes();
  return changes.map(({ table, primaryKey }) => `${table}: ${primaryKey}`);
}

describe.each(["FULL", "DEFAULT"])("with replica identity %s", (identity) => {
  test("the key is one column's text, several columns in key order, a column id, or null", async () => {
    const uuid = "0f0f0f0f-0000-4000-8000-000000000001";
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TABLE composite (a int, note text, b text, PRIMARY KEY (b, a));
        CREATE TABLE including (a int, b int, PRIMARY KEY (a) INCLUDE (b));
        CREATE TABLE uuids (id int, key uuid PRIMARY KEY);
        CREATE TABLE only_id (a int, id bigint);
        CREATE TABLE none (a int)`,
    });
    for (const table of ["composite", "including", "uuids"]) {
      await tracked.sql(identitySql(table, identity));
    }
    await tracked.transactions(
      `INSERT INTO composite VALUES (1, 'n', 'x"y')`,
      "UPDATE composite SET note = NULL",
      "DELETE FROM composite",
      "INSERT INTO including VALUES (1, 2)",
      "DELETE FROM including",
      `INSERT INTO uuids VALUES (7, '${uuid}')`,
      "DELETE FROM uuids",
      "INSERT INTO only_id VALUES (1, 9007199254740993)",
      "DELETE FROM only_id",
      "INSERT INTO none VALUES (1)",
      "DELETE FROM none",
    );
    expect(await keys(tracked)).toEqual([
      'composite: ["x\\"y",1]',
      'composite: ["x\\"y",1]',
      'composite: ["x\\"y",1]',
      "including: 1",
      "including: 1",
      `uuids: ${uuid}`,
      `uuids: ${uuid}`,
      "only_id: 9007199254740993",
      "only_id: 9007199254740993",
      "none: null",
      "none: null",
    ]);
  });

  test("a text key of 2.5 kB is kept, also by an update that leaves it out of line", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TABLE t (key text PRIMARY KEY, n int);
        ALTER TABLE t ALTER key SET STORAGE EXTERNAL`,
    });
    await tracked.sql(identitySql("t", identity));
    const key = "k".repeat(2_500);
    await tracked.transactions(
      `INSERT INTO t VALUES ('${key}', 1)`,
      "UPDATE t SET n = 2",
      "DELETE FROM t",
    );
    expect(await keys(tracked)).toEqual([key, key, key].map((k) => `t: ${k}`));
    const [, updated] = await tracked.changes();
    expect(JSON.parse(updated?.after ?? "")).toEqual({ key, n: 2 });
  });

  test("rows of before a key was dropped are recorded, and later ones too", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TABLE t (code int CONSTRAINT t_key PRIMARY KEY, id int)`,
    });
    await tracked.sql(identitySql("t", identity));
    await tracked.stopWorker();
    await tracked.transactions(
      "INSERT INTO t VALUES (1, 10)",
      "UPDATE t SET id = 11",
      "ALTER TABLE t DROP CONSTRAINT t_key",
      "INSERT INTO t VALUES (2, 20)",
    );
    await tracked.startWorker();
    // With FULL nothing but the catalogue told which column it was.
    expect(await keys(tracked)).toEqual(
      identity === "FULL"
        ? ["t: 10", "t: 11", "t: 20"]
        : ["t: 1", "t: 1", "t: 20"],
    );
  });

  test("a key renamed while the worker is down is still the key of the default identity", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TABLE t (code int PRIMARY KEY, note text)`,
    });
    await tracked.sql(identitySql("t", identity));
    await tracked.stopWorker();
    await tracked.transactions(
      "INSERT INTO t VALUES (1, 'a')",
      "ALTER TABLE t RENAME code TO number",
      "INSERT INTO t VALUES (2, 'b')",
    );
    await tracked.startWorker();
    expect(await keys(tracked)).toEqual(
      identity === "FULL" ? ["t: null", "t: 2"] : ["t: 1", "t: 2"],
    );
  });
});

test("another key than at the time of the row is not taken for the default identity's", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE t (a int CONSTRAINT t_key PRIMARY KEY, b int NOT NULL)`,
  });
  await tracked.sql(identitySql("t", "DEFAULT"));
  await tracked.stopWorker();
  await tracked.transactions(
    "INSERT INTO t VALUES (1, 2)",
    "ALTER TABLE t DROP CONSTRAINT t_key, ADD PRIMARY KEY (b)",
  );
  await tracked.startWorker();
  expect(await keys(tracked)).toEqual(["t: 1"]);
});

test("a look-up connection that died while nobody used it costs no table its key", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE early (code text PRIMARY KEY);
      CREATE TABLE late (code text PRIMARY KEY)`,
  });
  await tracked.sql("INSERT INTO early VALUES ('a')");
  await tracked.caughtUp();
  const { rowCount } = await tracked.source.client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name LIKE 'bemi-worker%' AND backend_type = 'client backend'`,
  );
  expect(rowCount).toBe(1);
  await tracked.sql("INSERT INTO late VALUES ('b')");
  expect(await keys(tracked)).toEqual(["early: a", "late: b"]);
});

test("a key or a column id that is too long for the destination's index stops nothing", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE by_id (id text);
      CREATE TABLE by_bytes (key bytea PRIMARY KEY);
      CREATE TABLE by_text (key text PRIMARY KEY)`,
  });
  // Incompressible, as an index entry would be compressed otherwise.
  const noise = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i)`;
  await tracked.transactions(
    `INSERT INTO by_id SELECT ${noise}`,
    `INSERT INTO by_bytes SELECT decode(left(${noise}, 4000), 'hex')`,
    // A key of 3,000 bytes is possible because its index entry is compressed.
    "INSERT INTO by_text VALUES (repeat('k', 3000))",
    "INSERT INTO by_id VALUES ('short')",
  );
  await tracked.caughtUp();
  const { rows } = await tracked.source.client.query(`
    SELECT key, jsonb_build_object('$omitted', jsonb_build_object(
             'bytes', octet_length(key), 'sha256', encode(sha256(convert_to(key, 'UTF8')), 'hex'))) AS marker
      FROM (SELECT 1, id FROM by_id WHERE id <> 'short'
            UNION ALL SELECT 2, key::text FROM by_bytes
            UNION ALL SELECT 3, key FROM by_text) x (place, key)
     ORDER BY place`);
  const changes = await tracked.changes();
  expect(changes.at(-1)?.primaryKey).toBe("short");
  const long = changes.slice(0, 3);
  expect(long.map((change) => JSON.parse(change.primaryKey ?? ""))).toEqual(
    rows.map(({ marker }) => marker),
  );
  // The value itself is in the row.
  expect(long.flatMap(({ after }) => Object.values(JSON.parse(after)))).toEqual(
    rows.map(({ key }) => key),
  );
});

test("rows of a transaction that nobody sees yet have the key that it made", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema:
      "CREATE TABLE altered (a int, b text, CONSTRAINT pk PRIMARY KEY (a))",
  });
  const { client } = tracked.source;
  const other = await cluster.client(tracked.source.database);
  const standby = async (name: string) => {
    await client.query(
      `ALTER SYSTEM SET synchronous_standby_names = '${name}'`,
    );
    await client.query("SELECT pg_reload_conf()");
  };
  const asked = async () => {
    const { rows } = await client.query<{ at: Date | null }>(
      "SELECT max(query_start) AS at FROM pg_stat_activity WHERE query LIKE '%pg_partition_ancestors%' AND pid <> pg_backend_pid()",
    );
    return rows[0]?.at?.getTime() ?? 0;
  };
  try {
    // The others do not wait for the standby, which does not exist.
    await client.query("ALTER SYSTEM SET synchronous_commit = local");
    await standby("nobody");
    await eventually("the settings are there", async () => {
      const { rows } = await other.query("SHOW synchronous_standby_names");
      return rows[0].synchronous_standby_names === "nobody";
    });
    const before = await asked();
    await other.query("SET synchronous_commit = on");
    const committed = other.query(`
      CREATE TABLE made (a int, b text, PRIMARY KEY (b, a));
      INSERT INTO made VALUES (1, 'x');
      ALTER TABLE altered DROP CONSTRAINT pk, ADD PRIMARY KEY (b, a);
      INSERT INTO altered VALUES (2, 'y')`);
    await eventually(
      "the worker asks for a key",
      async () => (await asked()) > before,
    );
    await standby("");
    await committed;
    expect(await keys(tracked)).toEqual(['made: ["x",1]', 'altered: ["y",2]']);
  } finally {
    await standby("");
    await other.end();
  }
});
