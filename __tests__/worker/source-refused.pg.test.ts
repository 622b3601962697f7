import { chown, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { checkSource } from "../../worker/source/preflight";
import { readSourceFacts } from "../../worker/source/source-facts";
import { readTables } from "../../worker/source/tracked-tables";
import {
  createSource,
  type Source,
  setUp,
  setUpOptions,
} from "../support/source";

describe("a source that cannot be tracked is refused untouched", () => {
  test("PostgreSQL 13", async () => {
    await using cluster = await Cluster.start({ major: 13 });
    await using source = await createSource(cluster);
    await expectRefusal(source, {
      code: "version-too-old",
      words: "the source is PostgreSQL 13.",
    });
  });

  test("wal_level = replica", async () => {
    await using cluster = await Cluster.start({
      settings: { wal_level: "replica" },
    });
    await using source = await createSource(cluster);
    await expectRefusal(source, {
      code: "wal-level",
      words: "wal_level is replica; logical is needed",
    });
  });

  test("a standby, also while it lets its role write nothing", async () => {
    await using cluster = await Cluster.start();
    const source = await createSource(cluster);
    const { database } = source;
    await source.client.query("CREATE TABLE todo (id int)");
    await cluster.stop();
    const signal = join(cluster.dataFolder, "standby.signal");
    await writeFile(signal, "");
    const { uid, gid } = await stat(cluster.dataFolder);
    await chown(signal, uid, gid);
    await cluster.startAgain();
    const client = await cluster.client(database);
    const found = await codes({ client, database });
    await expect(setUp({ ...source, client })).rejects.toThrow(
      "the source is a standby",
    );
    await client.end();
    expect(found).toContain("standby");
  });

  test("a database whose encoding is SQL_ASCII", async () => {
    await using cluster = await Cluster.start({
      initdb: ["--encoding=SQL_ASCII"],
    });
    await using source = await createSource(cluster);
    await expectRefusal(source, { code: "encoding", words: "SQL_ASCII" });
  });

  test("a slot name that another database of the server has", async () => {
    await using cluster = await Cluster.start();
    await using other = await createSource(cluster);
    await using source = await createSource(cluster);
    await other.client.query(
      `SELECT pg_create_logical_replication_slot('${source.database}', 'pgoutput')`,
    );
    await expectRefusal(source, {
      code: "slot-of-another-database",
      words: `slot "${source.database}" belongs to database "${other.database}"; one of database "${source.database}"`,
    });
  });

  test("a slot that is lost", async () => {
    await using cluster = await Cluster.start({
      settings: { max_slot_wal_keep_size: "1MB", max_wal_size: "32MB" },
    });
    await using source = await createSource(cluster);
    await setUp(source);
    for (let i = 0; i < 5; i++) {
      await source.client.query(
        "CREATE TABLE IF NOT EXISTS t (id int); INSERT INTO t VALUES (1)",
      );
      await source.client.query("SELECT pg_switch_wal()");
    }
    await source.client.query("CHECKPOINT");
    expect(await codes(source)).toEqual(["slot-lost"]);
    await expect(setUp(source)).rejects.toThrow("wal_status = lost");
  });
});

async function codes(
  source: Pick<Source, "client" | "database">,
): Promise<string[]> {
  const options = setUpOptions(source);
  const facts = await readSourceFacts(source.client, options);
  const tables = await readTables(source.client);
  const expectations = { ...options, willSetUp: true };
  return checkSource(facts, tables, expectations).map(({ code }) => code);
}

async function expectRefusal(
  source: Source,
  expected: { readonly code: string; readonly words: string },
): Promise<void> {
  await source.client.query("CREATE TABLE todo (id int)");
  expect(await codes(source)).toContain(expected.code);
  await expect(setUp(source)).rejects.toThrow(expected.words);
  const { rows } = await source.client.query(
    "SELECT (SELECT count(*)::int FROM pg_publication) AS publications, (SELECT count(*)::int FROM pg_event_trigger) AS triggers, (SELECT relreplident FROM pg_class WHERE relname = 'todo') AS identity",
  );
  expect(rows).toEqual([{ publications: 0, triggers: 0, identity: "d" }]);
}
