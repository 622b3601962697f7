/**
 * A slot waits for every transaction that has written, and one that somebody
 * gave up waiting for would keep the source's log for ever.
 */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { testedMajors } from "../support/majors";
import { createSource, type Source, setUp } from "../support/source";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

describe.each(testedMajors(14, 18))(
  "the slot of a first start on PostgreSQL %i",
  (major) => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await Cluster.start({ major, settings: { fsync: "off" } });
    });
    afterAll(() => cluster[Symbol.asyncDispose]());

    test("is not made while a transaction is open: the worker names it, leaves nothing, and begins when it is over", async () => {
      await using source = await prepared();
      const { writer, pid } = await openTransaction(source);
      await using refused = start(source);
      expect(await refused.exited).toMatchObject({ code: 3 });
      const last = refused.lines.at(-1);
      expect(last?.msg).toContain(
        `the replication slot ${source.database} could not be set up`,
      );
      expect(last?.msg).toContain(
        `pid ${pid} (postgres, "forgetful", idle in transaction`,
      );
      expect(last?.remedy).toContain("pg_terminate_backend");
      expect(await leftovers(source)).toEqual([]);

      await writer.query("COMMIT");
      await using worker = start(source);
      await worker.log("streaming");
    });

    test("is gone again when the worker is killed while it waits", async () => {
      await using source = await prepared();
      const { writer } = await openTransaction(source);
      await using killed = start(source);
      await eventually("the slot waits", async () =>
        (await leftovers(source)).includes("slot"),
      );
      await killed.kill();
      // The server sees it when its lock_timeout ends the waiting.
      await eventually(
        "nothing is left",
        async () => (await leftovers(source)).length === 0,
      );
      await writer.query("ROLLBACK");
    });

    /** Everything is there but the slot. */
    async function prepared(): Promise<Source> {
      const source = await createSource(cluster);
      await source.client.query("CREATE TABLE todo (id int PRIMARY KEY)");
      await setUp(source);
      await source.client.query("SELECT pg_drop_replication_slot($1)", [
        source.database,
      ]);
      return source;
    }

    function start(source: Source): WorkerProcess {
      return WorkerProcess.start(
        workerEnvironment(cluster, source.database, undefined, {
          SLOT_NAME: source.database,
        }),
      );
    }
  },
);

/** That of an application which forgot to commit. */
async function openTransaction(
  source: Source,
): Promise<{ writer: Client; pid: number }> {
  const writer = await source.session({ application_name: "forgetful" });
  await writer.query("BEGIN; INSERT INTO todo VALUES (1)");
  const { rows } = await writer.query("SELECT pg_backend_pid() AS pid");
  return { writer, pid: rows[0].pid };
}

/** What of the worker the server still has. */
async function leftovers({ client, database }: Source): Promise<string[]> {
  const { rows } = await client.query<{ what: string }>(
    `SELECT 'slot' AS what FROM pg_replication_slots WHERE slot_name = $1
     UNION ALL
     SELECT 'session' FROM pg_stat_activity WHERE application_name = $2`,
    [database, `bemi-worker ${database}`],
  );
  return rows.map(({ what }) => what);
}
