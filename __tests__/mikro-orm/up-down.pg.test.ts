/** What the migration leaves, beside the worker's objects and other packages'. */
import { bemiDownSql } from "../../mikro-orm/source/down-sql";
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { EMIT, traces, withTrigger } from "../support/context-trigger";
import { createSource, setUp } from "../support/source";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

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
    expect(left).toContain("event trigger _bemi_set_replica_identity_trigger");
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
  await client.query(`RESET ROLE; ${failure.hint.slice(16)}; SET ROLE ${role}`);
  await client.query(bemiUpSql());
});

test("an administrator of Amazon RDS does not build on a lesser role's schema either", async () => {
  await using source = await createSource(cluster);
  const { client, database } = source;
  const [owner, admin, other] = ["owner", "admin", "other"].map(
    (name) => `${name}_${database}`,
  );
  await client.query(
    `CREATE ROLE rds_superuser; CREATE ROLE ${owner};
     CREATE ROLE ${admin} IN ROLE rds_superuser; CREATE ROLE ${other} IN ROLE rds_superuser;
     CREATE SCHEMA _bemi AUTHORIZATION ${owner};
     GRANT USAGE, CREATE ON SCHEMA _bemi TO rds_superuser; SET ROLE ${admin}`,
  );
  try {
    await expect(client.query(bemiUpSql())).rejects.toMatchObject({
      hint: `Run this as ${owner}, or first: ALTER SCHEMA _bemi OWNER TO ${admin}`,
    });
    // Of another administrator it may.
    await client.query(`RESET ROLE; ALTER SCHEMA _bemi OWNER TO ${other}`);
    await client.query(`SET ROLE ${admin}`);
    await client.query(bemiUpSql());
  } finally {
    await client.query(
      "RESET ROLE; DROP OWNED BY rds_superuser; DROP ROLE rds_superuser",
    );
  }
});
