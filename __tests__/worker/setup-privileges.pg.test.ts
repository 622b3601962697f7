import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { OperatorError } from "../../worker/errors";
import { DDL_TRIGGERS } from "../../worker/source/ddl-trigger";
import { checkSource } from "../../worker/source/preflight";
import { rehearseSetUp } from "../../worker/source/rehearsal";
import { setUpSource } from "../../worker/source/setup";
import { readSourceFacts } from "../../worker/source/source-facts";
import { readSchemas, readTables } from "../../worker/source/tracked-tables";
import { testedMajors } from "../support/majors";
import { createSource, setUpOptions, silent } from "../support/source";

describe.each(testedMajors(14, 17, 18))(
  "privileges on PostgreSQL %i",
  (major) => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await Cluster.start({ major, settings: { fsync: "off" } });
      const admin = await cluster.client();
      await admin.query(`
      CREATE ROLE "Worker role" LOGIN PASSWORD 'secret';
      CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'secret'`);
      await admin.end();
    });
    afterAll(() => cluster[Symbol.asyncDispose]());

    test("a role that owns the tables gets the SQL of all but their identities, which then suffices", async () => {
      await using source = await createSource(cluster);
      await source.client.query(
        `GRANT CREATE ON DATABASE ${source.database} TO "Worker role";
       CREATE TABLE todo (id int); ALTER TABLE todo OWNER TO "Worker role"`,
      );
      const worker = await source.session({
        user: "Worker role",
        password: "secret",
      });
      const failure = await refusal(worker, setUpOptions(source));
      expect(failure.message).toContain(
        'role "Worker role" may not set up the event trigger for new tables',
      );
      // A superuser's trigger must never call a function that this role owns.
      const { rows } = await source.client.query(
        "SELECT FROM pg_proc WHERE proname LIKE 'set_replica%'",
      );
      expect(rows).toEqual([]);
      const statements = sqlOf(failure);
      expect(statements).toContain('ALTER ROLE "Worker role" REPLICATION');
      expect(statements.join()).not.toContain('"todo" REPLICA IDENTITY');
      for (const statement of statements) await source.client.query(statement);
      await expectAllDone(worker, setUpOptions(source));
    });

    test("a role that owns nothing gets the SQL of everything, which then suffices", async () => {
      await using source = await createSource(cluster);
      await source.client.query(
        "CREATE TABLE one (id int); CREATE TABLE two (id int)",
      );
      const worker = await source.session({
        user: "replicator",
        password: "secret",
      });
      const options = setUpOptions(source);
      const failure = await refusal(worker, options);
      expect(failure.message).toContain(
        'role "replicator" may not set up the replica identity of public.one',
      );
      const statements = sqlOf(failure);
      expect(statements.slice(0, 3)).toEqual([
        "SET lock_timeout = '2000ms'",
        'ALTER TABLE "public"."one" REPLICA IDENTITY FULL',
        'ALTER TABLE "public"."two" REPLICA IDENTITY FULL',
      ]);
      for (const statement of statements) await source.client.query(statement);
      await expectAllDone(worker, options);
      // What the superuser made serves those who are not.
      await source.client.query("GRANT ALL ON SCHEMA public TO replicator");
      await worker.query("CREATE TABLE three (id int)");
    });

    test("a trail that began without marks of DDL goes on without them, and says how to have them", async () => {
      await using source = await createSource(cluster);
      await source.client.query("CREATE TABLE todo (id int PRIMARY KEY)");
      const options = setUpOptions(source);
      await setUpSource(source.client, options, silent);
      for (const { name } of DDL_TRIGGERS) {
        await source.client.query(`DROP EVENT TRIGGER ${name}`);
      }
      const worker = await source.session({
        user: "replicator",
        password: "secret",
      });
      const warnings: { remedy: string }[] = [];
      const log = {
        info: () => undefined,
        warn: (fields: { remedy: string }) => warnings.push(fields),
      } as unknown as typeof silent;
      const now = {
        facts: await readSourceFacts(worker, options),
        tables: await readTables(worker),
        schemas: await readSchemas(worker),
      };
      await rehearseSetUp(worker, now, options);
      const { created } = await setUpSource(worker, options, log);
      expect(created).toEqual([]);
      expect(warnings).toHaveLength(1);
      const findings = checkSource(now.facts, now.tables, options);
      expect(findings).toMatchObject([
        { code: "ddl-triggers-missing", severity: "warning" },
      ]);
      const remedy = new OperatorError("", warnings[0]?.remedy ?? "");
      for (const statement of sqlOf(remedy)) {
        await source.client.query(statement);
      }
      await expectAllDone(worker, options);
    });

    test("a superuser's set-up needs no more than the role's own REPLICATION afterwards", async () => {
      await using source = await createSource(cluster);
      await setUpSource(source.client, setUpOptions(source), silent);
      const worker = await source.session({
        user: "replicator",
        password: "secret",
      });
      await expectAllDone(worker, setUpOptions(source));
    });
  },
);

type Options = Parameters<typeof setUpSource>[1];

async function refusal(
  client: Client,
  options: Options,
): Promise<OperatorError> {
  const error = await setUpSource(client, options, silent).catch(
    (reason: unknown) => reason,
  );
  if (error instanceof OperatorError) return error;
  throw new Error("the set-up was not refused", { cause: error });
}

/** The statements of a remedy, which a superuser runs one by one. */
function sqlOf(failure: OperatorError): string[] {
  const sql = failure.remedy.slice(failure.remedy.indexOf(":\n") + 2);
  const statement = /(?:\$bemi\$[\s\S]*?\$bemi\$|[^;])+(?=;)/g;
  return [...sql.matchAll(statement)].map(([text]) => text.trim());
}

async function expectAllDone(client: Client, options: Options): Promise<void> {
  const again = await setUpSource(client, options, silent);
  expect(again.created).toEqual([]);
  const facts = await readSourceFacts(client, options);
  const findings = checkSource(facts, await readTables(client), options);
  expect(findings).toEqual([]);
}
