/**
 * A publication that is altered while transactions are open. Minors before May
 * 2025 lost the rows that such a transaction wrote afterwards, those of May 2025
 * failed under many DDLs (preflight-server.ts warns of both); this is what all
 * others do.
 */
import { Cluster } from "../../scripts/cluster";
import { testedMajors } from "../support/majors";
import { TrackedDatabase } from "../support/tracked-database";

describe.each(testedMajors(14, 18))("on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("a transaction that was open has its rows from the alteration on, whatever DDL goes on beside it, and the alteration is on record", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      env: { TRACK_TABLES: "public.mark,public.t" },
      schema: `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY);
        ALTER TABLE u REPLICA IDENTITY FULL`,
    });
    await tracked.stopWorker();
    const [open, other] = [
      await tracked.source.session(),
      await tracked.source.session(),
    ];
    await open.query(
      "BEGIN; INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)",
    );
    await tracked.sql("ALTER PUBLICATION bemi ADD TABLE u");
    await open.query("INSERT INTO u VALUES (2)");
    await other.query(`
      DO $$ BEGIN FOR i IN 1..500 LOOP
        EXECUTE 'CREATE TEMP TABLE passing (id int PRIMARY KEY)';
        EXECUTE 'DROP TABLE passing';
        COMMIT;
      END LOOP; END $$`);
    await open.query(
      "INSERT INTO u VALUES (3); INSERT INTO t VALUES (2); COMMIT",
    );
    await tracked.startWorker({
      TRACK_TABLES: "public.mark,public.t,public.u",
    });
    await tracked.caughtUp();
    const rows = await tracked.changes();
    expect(rows.map(({ table, primaryKey }) => [table, primaryKey])).toEqual([
      ["t", "1"],
      ["u", "2"],
      ["u", "3"],
      ["t", "2"],
    ]);
    const marks = await tracked.destination.client.query(
      `SELECT command, "table", details ->> 'publication' AS publication,
              id < (SELECT id FROM changes WHERE "table" = 'u' ORDER BY id LIMIT 1) AS before
         FROM _bemi_schema_changes`,
    );
    expect(marks.rows).toEqual([
      {
        command: "ALTER PUBLICATION",
        table: "u",
        publication: "bemi",
        before: true,
      },
    ]);
  });
});
