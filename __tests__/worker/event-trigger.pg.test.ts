import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { testedMajors, testSince } from "../support/majors";
import { createSource, identities, setUp, warningsOf } from "../support/source";

testSince(18, "a path to extensions of one's own")(
  "alters an extension's table only where its writes would break",
  async () => {
    await using cluster = await Cluster.start({ settings: { fsync: "off" } });
    await using source = await createSource(cluster);
    const { client } = source;
    await setUp(source);
    const folder = join(cluster.dataFolder, "extension");
    await mkdir(folder);
    await writeFile(join(folder, "jobs.control"), "default_version = '1'");
    await writeFile(
      join(folder, "jobs--1.sql"),
      "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE keyless (id int)",
    );
    await client.query(
      `SET extension_control_path = '${cluster.dataFolder}:$system'; CREATE EXTENSION jobs`,
    );
    await client.query("INSERT INTO keyless VALUES (1)");
    await client.query("UPDATE keyless SET id = 2; DELETE FROM keyless");
    expect(await identities(client, "keyed", "keyless")).toEqual(["d", "f"]);
  },
);

describe.each(testedMajors(14, 18))(
  "event trigger on PostgreSQL %i",
  (major) => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await Cluster.start({ major, settings: { fsync: "off" } });
    });
    afterAll(() => cluster[Symbol.asyncDispose]());

    test("gives every way of making a table a full identity, and its writes work", async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query(
        "CREATE TABLE old (id int); CREATE TABLE parted (id int) PARTITION BY LIST (id)",
      );
      await setUp(source, "*.*");
      await client.query("CREATE TABLE plain (a int)");
      await client.query("CREATE TABLE ctas AS SELECT 1 AS a");
      await client.query("SELECT 1 AS a INTO selected");
      await client.query("CREATE TABLE alike (LIKE old)");
      await client.query("CREATE TABLE inherited () INHERITS (old)");
      await client.query(
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)",
      );
      await client.query("CREATE SCHEMA s CREATE TABLE t (a int)");
      await client.query("CREATE UNLOGGED TABLE fast (a int)");
      await client.query("ALTER TABLE fast SET LOGGED");
      const tables = [
        "plain",
        "ctas",
        "selected",
        "alike",
        "inherited",
        "parted_1",
        "s.t",
        "fast",
      ];
      expect(await identities(client, ...tables)).toEqual(
        tables.map(() => "f"),
      );
      await client.query("UPDATE ctas SET a = 2; DELETE FROM selected");
      await client.query("CREATE TEMP TABLE passing AS SELECT 1 AS a");
      expect(await identities(client, "passing")).toEqual(["d"]);
    });

    test("lets a role create tables beside those of others, without any right of its own", async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query("CREATE TABLE foreign_one (id int)");
      await setUp(source);
      // As after a restore: not full, and of somebody else.
      await client.query("SET session_replication_role = replica");
      await client.query("ALTER TABLE foreign_one REPLICA IDENTITY DEFAULT");
      await client.query("RESET session_replication_role");
      await client.query(
        `CREATE ROLE migrator_${major}; GRANT CREATE ON SCHEMA public TO migrator_${major}; SET ROLE migrator_${major}`,
      );
      const warnings = warningsOf(client);
      await client.query("CREATE TABLE mine (id int)");
      expect(warnings).toEqual([]);
      expect(await identities(client, "mine", "foreign_one")).toEqual([
        "f",
        "d",
      ]);
      await client.query("RESET ROLE; DROP TABLE mine");
      await client.query(
        `REVOKE ALL ON SCHEMA public FROM migrator_${major}; DROP ROLE migrator_${major}`,
      );
    });

    test("reaches an attached partition and waits for no lock on its siblings", async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query(`
      CREATE TABLE parted (id int) PARTITION BY LIST (id);
      CREATE SCHEMA elsewhere;
      CREATE TABLE elsewhere.leaf (id int)`);
      await setUp(source);
      await client.query("SET session_replication_role = replica");
      await client.query(
        "CREATE TABLE sibling PARTITION OF parted FOR VALUES IN (1)",
      );
      await client.query("RESET session_replication_role");
      const reader = await source.session();
      await reader.query("BEGIN; SELECT * FROM sibling");
      // A wait that ends with the time-out would only be a warning.
      const warnings = warningsOf(client);
      await client.query("SET lock_timeout = '1s'");
      await client.query(
        "ALTER TABLE parted ATTACH PARTITION elsewhere.leaf FOR VALUES IN (2)",
      );
      expect(warnings).toEqual([]);
      expect(await identities(client, "elsewhere.leaf", "sibling")).toEqual([
        "f",
        "d",
      ]);
    });

    test("keeps to the schemas that the publication covers", async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query("CREATE SCHEMA other");
      await setUp(source);
      await client.query("CREATE TABLE other.t (id int)");
      const wide = major < 15 ? "f" : "d";
      expect(await identities(client, "other.t")).toEqual([wide]);
      await client.query("ALTER TABLE other.t SET SCHEMA public");
      expect(await identities(client, "t")).toEqual(["f"]);
    });

    test("turns its own failure into a warning, and the migration goes on", async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await setUp(source);
      await client.query(`
      CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no ALTER TABLE in this house'; END $$;
      CREATE EVENT TRIGGER refuse ON ddl_command_start
        WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse()`);
      const warnings = warningsOf(client);
      await client.query("CREATE TABLE todo (id int PRIMARY KEY)");
      expect(await identities(client, "todo")).toEqual(["d"]);
      expect(warnings).toEqual([
        "bemi: the replica identity of public.todo was not set: no ALTER TABLE in this house",
      ]);
    });

    test("is not deceived by a search_path of the caller", async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await setUp(source);
      await client.query(`
      CREATE SCHEMA evil;
      CREATE TABLE evil.pg_class (oid oid, relname name);
      SET search_path = evil, public, pg_catalog`);
      await client.query("CREATE TABLE public.todo (id int)");
      await client.query("RESET search_path");
      expect(await identities(client, "todo")).toEqual(["f"]);
    });
  },
);

describe("virtual generated columns", () => {
  const virtualTest = testSince(18, "a virtual generated column");
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  virtualTest(
    "never make the application's writes fail, before or after the set-up",
    async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query(`
      CREATE TABLE stored (id int PRIMARY KEY, b int GENERATED ALWAYS AS (id + 1) STORED);
      CREATE TABLE virtual (id int PRIMARY KEY, n int, b int GENERATED ALWAYS AS (id + 1) VIRTUAL);
      CREATE TABLE full_virtual (id int PRIMARY KEY, n int, b int GENERATED ALWAYS AS (id + 1) VIRTUAL);
      ALTER TABLE full_virtual REPLICA IDENTITY FULL;
      INSERT INTO stored VALUES (1); INSERT INTO virtual VALUES (1); INSERT INTO full_virtual VALUES (1)`);
      await setUp(source);
      await client.query(`
      CREATE TABLE later (id int PRIMARY KEY, n int);
      INSERT INTO later VALUES (1)`);
      expect(
        await identities(client, "stored", "virtual", "full_virtual", "later"),
      ).toEqual(["f", "d", "d", "f"]);
      await client.query(
        "ALTER TABLE later ADD COLUMN b int GENERATED ALWAYS AS (id + 1) VIRTUAL",
      );
      await client.query("UPDATE stored SET id = 2");
      for (const table of ["virtual", "full_virtual", "later"]) {
        await client.query(`UPDATE ${table} SET n = 2; DELETE FROM ${table}`);
      }
      expect((await setUp(source)).created).toEqual([]);
    },
  );

  virtualTest(
    "without a primary key that is checked at once refuse the publication before it breaks anything",
    async () => {
      await using source = await createSource(cluster);
      const { client } = source;
      await client.query(`
        CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, b int GENERATED ALWAYS AS (id + 1) VIRTUAL);
        CREATE TABLE hopeless (id int, b int GENERATED ALWAYS AS (id + 1) VIRTUAL)`);
      await expect(setUp(source)).rejects.toMatchObject({
        name: "OperatorError",
        message: expect.stringMatching(/public\.deferred.*public\.hopeless/s),
      });
      await client.query(
        "INSERT INTO hopeless VALUES (1); UPDATE hopeless SET id = 2",
      );
    },
  );
});
