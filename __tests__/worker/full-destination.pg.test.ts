/**
 * A destination that has no room: no connection, no start yet, no disk.
 * The worker waits, in bounded memory, and goes on by itself.
 */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { peakResidentMegabytes } from "../support/memory";
import { SmallDisk } from "../support/small-disk";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const MAX_RESIDENT_MEGABYTES = 300;

/** Then it has to connect again. */
const END_WORKERS_SESSIONS =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'bemi-worker %'";

/** Waits for a failure with this code that the worker is going to wait out. */
async function waitsOut(worker: WorkerProcess, code: string): Promise<void> {
  const hasCode = (error: unknown): boolean =>
    JSON.stringify(error ?? "").includes(`"${code}"`);
  await worker.log(
    (line) => "retryInMs" in line && hasCode(line.error),
    120_000,
  );
}

test("connections that are all taken, and a server that shuts down or starts, cost a delay", async () => {
  await using source = await Cluster.start({ settings: { fsync: "off" } });
  await using destination = await Cluster.start({
    settings: { fsync: "off", max_connections: 10 },
  });
  const tables = ledgerTables("item");
  await using trail = await Trail.create({ source, destination, tables });
  const worker = await trail.streaming();
  await using load = startLoad(trail, ["item"], { seed: 5, maxPauseMs: 50 });
  await load.more(20);

  await trail.destination[Symbol.asyncDispose]();
  const others: Client[] = [];
  const admin = await destination.client();
  await eventually("others have all connections", async () => {
    // What it had becomes free, and whoever is faster has it.
    const { rowCount } = await admin.query(END_WORKERS_SESSIONS);
    while (others.length < 100) {
      const other = await destination.client().catch(() => undefined);
      if (!other) break;
      others.push(other);
    }
    return rowCount === 0;
  });
  await waitsOut(worker, "53300");
  for (const client of others) await client.end();
  await load.more(20);

  // A client that stays keeps the server from ending, and new ones out.
  const stopped = destination.stop("smart");
  await admin.query(END_WORKERS_SESSIONS);
  await waitsOut(worker, "57P03");
  await admin.end();
  await stopped;
  await destination.startAgain();
  await trail.destination[Symbol.asyncDispose]();
  await load.more(20);
  await settle(trail, await load.finish(), { timeoutMs: 120_000 });
  expect(peakResidentMegabytes(worker.pid)).toBeLessThan(
    MAX_RESIDENT_MEGABYTES,
  );
});

const withDisk = SmallDisk.isPossible() ? test : test.skip;
const reason = withDisk === test ? "" : " (skipped: no tmpfs can be mounted)";

withDisk(
  `a full disk costs a delay, to small transactions and to one larger than memory${reason}`,
  async () => {
    await using source = await Cluster.start({ settings: { fsync: "off" } });
    await using destination = await Cluster.start({
      settings: { fsync: "off" },
    });
    await using disk = SmallDisk.mountFor(destination, 60);
    await using trail = await Trail.create({
      source,
      destination,
      tables: `${ledgerTables("item")} CREATE TABLE flood (id int PRIMARY KEY, text text)`,
      env: { INDEX_VALUES: "off", BATCH_MAX_BYTES: String(4 * 1024 * 1024) },
    });
    const admin = await destination.client();
    // The log stays on the large disk: a server that cannot write it crashes.
    await admin.query(`CREATE TABLESPACE small LOCATION '${disk.folder}'`);
    await admin.query(`ALTER DATABASE ${trail.database} SET TABLESPACE small`);
    const worker = await trail.streaming();
    await using load = startLoad(trail, ["item"], { seed: 6, maxPauseMs: 50 });
    await load.more(20);
    const rows = 250_000;
    await trail.source.query(
      `INSERT INTO flood SELECT i, md5(i::text) || md5((-i)::text) FROM generate_series(1, ${rows}) i`,
    );
    await waitsOut(worker, "53100");
    const told = await trail.slotState();
    await load.more(20);
    expect((await trail.slotState()).confirmed).toBe(told.confirmed);
    disk.grow(2_000);
    await settle(trail, await load.finish(), {
      timeoutMs: 180_000,
      where: `"table" <> 'flood'`,
    });
    expect(await trail.count(`"table" = 'flood'`)).toBe(rows);
    expect(peakResidentMegabytes(worker.pid)).toBeLessThan(
      MAX_RESIDENT_MEGABYTES,
    );
    await admin.end();
  },
);
