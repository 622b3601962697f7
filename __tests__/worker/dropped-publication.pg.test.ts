/** Changes that were made while there was no publication. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { parseLsn } from "../../worker/lsn";
import { testedMajors } from "../support/majors";
import { ReplicationProxy } from "../support/replication-proxy";
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

  test("a server that speaks another language stops it too", async () => {
    await using proxy = await ReplicationProxy.start(cluster);
    proxy.hooks.severity = "ПРЕДУПРЕЖДЕНИЕ";
    await using tracked = await TrackedDatabase.start(cluster, {
      schema,
      env: { DB_PORT: String(proxy.port) },
    });
    await dropAndMakeAnew(tracked);
    await tracked.worker?.log(MISSING);
    expect(await tracked.worker?.exited).toMatchObject({ code: 3 });
    expect(await recorded(tracked)).not.toContain("3");
  });

  test("a publication dropped under a running worker stops it with exit code 3 at the next change", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await dropAndMakeAnew(tracked);
    await tracked.worker?.log(MISSING);
    expect(await tracked.worker?.exited).toMatchObject({ code: 3 });
    expect(tracked.worker?.lines.at(-1)?.msg).toContain(MISSING);
    expect(await recorded(tracked)).not.toContain("3");
  });

  test("under load: nothing behind the drop is acknowledged, and what cannot be read is in the gap that is noted, all of it", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    const ledger: { id: number; before: string; after: string }[] = [];
    const writer = await tracked.source.session();
    let running = true;
    const load = (async () => {
      for (let id = 1; running; id++) {
        // Between these two its commit is.
        const before = await position(writer);
        await writer.query(`INSERT INTO t VALUES (${id})`);
        ledger.push({ id, before, after: await position(writer) });
      }
    })();
    const written = (count: number) =>
      eventually("the load goes on", async () => {
        const reached = ledger.length + count;
        while (ledger.length < reached) await sleep(5);
        return true;
      });
    await written(50);
    await tracked.sql("DROP PUBLICATION bemi");
    const dropped = await position(writer);
    const stopped = tracked.worker;
    await stopped?.log(MISSING);
    expect(await stopped?.exited).toMatchObject({ code: 3 });
    await written(50);
    const { rows: slots } = await tracked.source.client.query(
      "SELECT confirmed_flush_lsn <= $1::pg_lsn AS before FROM pg_replication_slots WHERE slot_name = $2",
      [dropped, tracked.source.database],
    );
    expect(slots).toEqual([{ before: true }]);

    // As docs/operations.md says it.
    await command(tracked, "setup");
    await tracked.sql("SELECT pg_drop_replication_slot($1)", [
      tracked.source.database,
    ]);
    await command(tracked, "gap", "--reason", "publication dropped", "--yes");
    await tracked.startWorker();
    await written(50);
    running = false;
    await load;
    await tracked.caughtUp();

    const { rows: gaps } = await tracked.destination.client.query<{
      from: string;
      to: string;
    }>(`SELECT from_lsn::text AS "from", to_lsn::text AS "to" FROM _bemi_gaps`);
    expect(gaps).toHaveLength(1);
    const [from, to] = [gaps[0]?.from, gaps[0]?.to].map((lsn) =>
      parseLsn(lsn ?? ""),
    ) as [bigint, bigint];
    const found = await recorded(tracked);
    expect(new Set(found).size).toBe(found.length);
    const missing = ledger.filter(({ id }) => !found.includes(String(id)));
    expect(missing.length).toBeGreaterThan(0);
    for (const { before, after } of missing) {
      expect(parseLsn(after)).toBeGreaterThan(from);
      expect(parseLsn(before)).toBeLessThan(to);
    }
    expect(from).toBeLessThanOrEqual(parseLsn(dropped));
  });
});

/** Where the log ends, as text. */
async function position(client: Client): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>(
    "SELECT pg_current_wal_insert_lsn()::text AS lsn",
  );
  return rows[0]?.lsn ?? "";
}

/** Runs a subcommand of the worker, which has to succeed. */
async function command(
  tracked: TrackedDatabase,
  ...args: readonly string[]
): Promise<void> {
  await using worker = tracked.launchWorker({}, { args });
  expect(await worker.exited).toMatchObject({ code: 0 });
}
