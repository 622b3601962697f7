/** Somebody may make what the set-up makes, before it, to run as a superuser. */
import { Cluster } from "../../scripts/cluster";
import { checkSource } from "../../worker/source/preflight";
import type { SetUpOptions } from "../../worker/source/set-up-steps";
import { setUpSource } from "../../worker/source/setup";
import { readSourceFacts } from "../../worker/source/source-facts";
import { readTables } from "../../worker/source/tracked-tables";
import {
  createSource,
  type Source,
  setUpOptions,
  silent,
} from "../support/source";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
  const admin = await cluster.client();
  await admin.query("CREATE ROLE planter LOGIN PASSWORD 'secret'");
  await admin.end();
});
afterAll(() => cluster[Symbol.asyncDispose]());

const FUNCTIONS = ["set_replica_identity_func", "ddl_func"];
const asPlanter = { user: "planter", password: "secret" };

/** As the planter; fails for a function of somebody else. */
const planted = (name: string) =>
  `CREATE OR REPLACE FUNCTION _bemi.${name}() RETURNS event_trigger LANGUAGE plpgsql
     AS $$BEGIN ALTER ROLE planter SUPERUSER; END$$`;

async function findings({ client }: Source, options: SetUpOptions) {
  const facts = await readSourceFacts(client, options);
  return checkSource(facts, await readTables(client), options);
}

test("functions that another role planted in its schema are taken over, and it cannot have them back", async () => {
  await using source = await createSource(cluster);
  const { client, database } = source;
  await client.query(`GRANT CREATE ON DATABASE ${database} TO planter`);
  const planter = await source.session(asPlanter);
  await planter.query("CREATE SCHEMA _bemi");
  for (const name of FUNCTIONS) await planter.query(planted(name));
  const options = setUpOptions(source);
  await setUpSource(client, options, silent);
  for (const name of FUNCTIONS)
    await expect(planter.query(planted(name))).rejects.toThrow(/must be owner/);
  await client.query("CREATE TABLE t (id int)");
  const { rows } = await client.query(
    `SELECT rolsuper AS superuser, relreplident AS identity
       FROM pg_roles, pg_class WHERE rolname = 'planter' AND relname = 't'`,
  );
  expect(rows).toEqual([{ superuser: false, identity: "f" }]);
  expect(await findings(source, options)).toEqual([]);
});

test("a function that another role owns already is a finding, and the set-up makes it its own", async () => {
  await using source = await createSource(cluster);
  const { client } = source;
  const options = setUpOptions(source);
  await setUpSource(client, options, silent);
  await client.query("GRANT CREATE, USAGE ON SCHEMA _bemi TO planter");
  for (const name of FUNCTIONS)
    await client.query(`ALTER FUNCTION _bemi.${name}() OWNER TO planter`);
  expect(await findings(source, options)).toMatchObject([
    {
      code: "event-trigger-function-owner",
      severity: "warning",
      message: expect.stringContaining("belongs to planter"),
    },
    { code: "ddl-triggers-missing" },
  ]);
  const { created } = await setUpSource(client, options, silent);
  expect(created).toEqual([
    "the event trigger for new tables",
    "the event triggers that mark DDL",
  ]);
  expect(await findings(source, options)).toEqual([]);
});

test("where the application's migrations made the schema, an administrator of Amazon RDS is told what to have granted", async () => {
  await using source = await createSource(cluster);
  const { client, database } = source;
  await client.query(
    `CREATE SCHEMA _bemi AUTHORIZATION planter; CREATE ROLE rds_superuser;
     CREATE ROLE rds_admin LOGIN PASSWORD 'secret' IN ROLE rds_superuser;
     GRANT CREATE ON DATABASE ${database} TO rds_superuser`,
  );
  const admin = await source.session({ user: "rds_admin", password: "secret" });
  const attempt = () => setUpSource(admin, setUpOptions(source), silent);
  await expect(attempt()).rejects.toMatchObject({
    message: expect.stringContaining("permission denied for schema _bemi"),
    remedy: expect.stringContaining(
      'as "planter", first GRANT USAGE, CREATE ON SCHEMA _bemi to',
    ),
  });
  await client.query("GRANT USAGE, CREATE ON SCHEMA _bemi TO rds_admin");
  // As far as a server that is not RDS goes along.
  await expect(attempt()).rejects.toThrow(/create event trigger/);
});
