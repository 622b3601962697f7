import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { OperatorError } from "../../worker/errors";
import { checkSource } from "../../worker/source/preflight";
import { setUpSource } from "../../worker/source/setup";
import { readSourceFacts } from "../../worker/source/source-facts";
import { readTables } from "../../worker/source/tracked-tables";
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
