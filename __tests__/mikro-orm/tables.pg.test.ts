/** Which tables have the trigger. */
import { declareTriggers } from "../../mikro-orm/source/declared-trigger";
import { bemiDownSql } from "../../mikro-orm/source/down-sql";
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import {
  by,
  EMIT,
  traces,
  trackedSource,
  withTrigger,
} from "../support/context-trigger";
import { createSource, warningsOf } from "../support/source";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const attack = "a after insert on v execute function f();create trigger b";

test("of any name and schema have it, now and later, however they are made", async () => {
  await using source = await trackedSource(
    cluster,
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
  await using source = await trackedSource(
    cluster,
    "CREATE TABLE mine (id int)",
  );
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

test("of other roles have it however they are made, and with nothing but the right to make them", async () => {
  await using source = await trackedSource(
    cluster,
    `CREATE TABLE mine (id int); CREATE TABLE parted (id int) PARTITION BY LIST (id);
     CREATE TABLE later (id int);
     ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`,
  );
  const { client, database } = source;
  const role = `maker_${database}`;
  await client.query(
    `CREATE ROLE ${role}; CREATE SCHEMA own AUTHORIZATION ${role};
     REVOKE EXECUTE ON FUNCTION ${EMIT} FROM PUBLIC; SET ROLE ${role}`,
  );
  const warnings = warningsOf(client);
  // Operators and types stand in the way as functions do.
  await client.query(
    `CREATE FUNCTION own.never(name, name) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'caught'; END$$;
     CREATE OPERATOR own.= (FUNCTION = own.never, LEFTARG = name, RIGHTARG = name);
     CREATE DOMAIN own.text AS pg_catalog.text CHECK (false);
     CREATE TEMP TABLE pg_trigger (id int); CREATE TEMP TABLE pg_class (id int);
     SET search_path = own, pg_temp, pg_catalog`,
  );
  await client.query("CREATE TABLE own.made_as AS SELECT 1 AS id");
  await client.query("SELECT 1 AS id INTO own.selected_into");
  await client.query("CREATE TABLE own.empty AS SELECT 1 AS id WITH NO DATA");
  await client.query("CREATE TABLE own.alike (LIKE own.made_as)");
  await client.query("CREATE TABLE own.heir () INHERITS (own.made_as)");
  await client.query("ALTER TABLE own.alike RENAME TO renamed");
  await client.query("CREATE TABLE own.alike (id int)");
  await client.query("DO 'BEGIN CREATE TABLE own.within (id int); END'");
  await client.query(
    "CREATE TABLE own.parted (id int) PARTITION BY LIST (id); CREATE TABLE own.alone (id int); ALTER TABLE own.parted ATTACH PARTITION own.alone DEFAULT",
  );
  await client.query(`${by("a")} INSERT INTO own.made_as VALUES (2)`);
  await client.query("DISCARD TEMP; RESET search_path; RESET ROLE");
  await client.query("ALTER TABLE parted ATTACH PARTITION later DEFAULT");
  expect(warnings).toEqual([]);
  const made = [
    ...["made_as", "selected_into", "empty", "renamed", "alike", "heir"],
    ...["within", "parted", "alone"],
  ].map((name) => `own.${name}`);
  expect(await withTrigger(client)).toEqual(
    ["public.mine", "public.parted", "public.later", ...made].sort(),
  );
});

test("of a role that may not enter the schema are made, with a warning", async () => {
  await using source = await trackedSource(cluster, "");
  const { client, database } = source;
  const role = `outside_${database}`;
  await client.query(
    `CREATE ROLE ${role}; CREATE SCHEMA theirs AUTHORIZATION ${role};
     REVOKE USAGE ON SCHEMA _bemi FROM PUBLIC; SET ROLE ${role}`,
  );
  const warnings = warningsOf(client);
  await client.query("CREATE TABLE theirs.t AS SELECT 1 AS id");
  expect(warnings).toEqual([
    "bemi: changes of the new table have no context: permission denied for schema _bemi",
  ]);
  await client.query("RESET ROLE; CALL _bemi.create_triggers()");
  expect(await withTrigger(client)).toEqual(["theirs.t"]);
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
  await client.query("CREATE TABLE busy (id int); CREATE TABLE idle (id int)");
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

test("of an entity have it by MikroORM's schema tools, in the schema that it says or any", async () => {
  await using source = await trackedSource(
    cluster,
    "CREATE SCHEMA tenant; CREATE SCHEMA other",
  );
  const { client } = source;
  await client.query(
    `DROP EVENT TRIGGER _bemi_create_table_trigger;
     CREATE TABLE tenant."it's" (id int); CREATE TABLE other."it's" (id int); CREATE TABLE other.item (id int);
     SET search_path = ''`,
  );
  const entity = (tableName: string, schema?: string) => ({
    ...{ tableName, schema },
    triggers: [] as { name: string; expression?: string }[],
  });
  const declared = async (one: ReturnType<typeof entity>) => {
    const storage = { getAll: () => ({ one }) };
    declareTriggers({}).afterDiscovered?.(storage);
    await client.query(String(one.triggers[0]?.expression));
    return withTrigger(client);
  };
  expect(await declared(entity("it's", "other"))).toEqual([`other."it's"`]);
  const both = [`other."it's"`, `tenant."it's"`];
  expect(await declared(entity("it's", "*"))).toEqual(both);
  expect(await declared(entity("item"))).toEqual(
    ["other.item", ...both].sort(),
  );
});
