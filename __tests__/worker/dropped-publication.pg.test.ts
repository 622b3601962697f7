/** Changes that were made while there was no publication (H41). */
import { Cluster } from "../../scripts/cluster";
import { testedMajors } from "../support/majors";
import { TrackedDatabase } from "../support/tracked-database";

const MISSING = "was missing when changes";

describe.each(testedMajors(14, 17, 18))("on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const schema = "CREATE TABLE t (id int PRIMARY KEY)";
  /** Dropped and made anew as it was, with changes before, between and after. */
  async function dropAndMakeAnew(tracked: TrackedDatabase): Promise<void> {
    const again =
      major === 14
        ? "CREATE PUBLICATION bemi FOR ALL TABLES"
        : "CREATE PUBLICATION bemi FOR TABLES IN SCHEMA public";
    const options =
      major === 18 ? " WITH (publish_generated_columns = stored)" : "";
    await tracked.transactions(
      "INSERT INTO t VALUES (1)",
      "DROP PUBLICATION bemi",
      "INSERT INTO t VALUES (2)",
      `${again}${options}`,
      "INSERT INTO t VALUES (3)",
    );
  }
  const recorded = async (tracked: TrackedDatabase) =>
    (await tracked.changes()).map(({ primaryKey }) => primaryKey);
  const confirmed = async (tracked: TrackedDatabase) => {
    const { rows } = await tracked.source.client.query(
      `SELECT confirmed_flush_lsn < (SELECT max(lsn) FROM missed) AS behind FROM pg_replication_slots WHERE slot_name = '${tracked.source.database}'`,
    );
    return rows[0].behind;
  };

  test("changes made while the publication was dropped stop the worker with exit code 3, before they are acknowledged", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await tracked.sql("CREATE TABLE missed (lsn pg_lsn)");
    await tracked.stopWorker();
    await dropAndMakeAnew(tracked);
    await tracked.sql("INSERT INTO missed VALUES (pg_current_wal_lsn())");
    for (let attempt = 0; attempt < 2; attempt++) {
      await using worker = tracked.launchWorker();
      await worker.log(MISSING);
      expect(await worker.exited).toMatchObject({ code: 3 });
      const last = worker.lines.at(-1);
      expect(last?.msg).toContain(MISSING);
      expect(last?.remedy).toMatch(/publication/i);
      expect(await recorded(tracked)).not.toContain("3");
      expect(await confirmed(tracked)).toBe(true);
    }
  });

  test("a publication dropped under a running worker stops it with exit code 3 at the next change", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await dropAndMakeAnew(tracked);
    await tracked.worker?.log(MISSING);
    expect(await tracked.worker?.exited).toMatchObject({ code: 3 });
    expect(tracked.worker?.lines.at(-1)?.msg).toContain(MISSING);
    expect(await recorded(tracked)).not.toContain("3");
  });
});
