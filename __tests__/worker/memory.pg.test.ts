/**
 * Size: a transaction larger than memory, a row larger than a value
 * may be, and a server that wants to hear something meanwhile.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { healthOf } from "../support/health";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { peakResidentMegabytes } from "../support/memory";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const MILLION = 1_000_000;
/** Half of what its rows take; 190 MB are usual. */
const MAX_RESIDENT_MEGABYTES = 300;
const SMALL_HEAP = { nodeOptions: ["--max-old-space-size=256"] };
/** An idle position is noted when this much log has come since. */
const IDLE_ADVANCE_BYTES = 1024n * 1024n;
const BLOCKED_MS = 30_000;
const HUGE_VALUE_BYTES = 110 * 1024 * 1024;

describe("size", () => {
  let source: Cluster;
  let destination: Cluster;
  beforeAll(async () => {
    const settings = { fsync: "off", max_wal_size: "4GB" };
    [source, destination] = await Promise.all([
      Cluster.start({ settings: { ...settings, wal_sender_timeout: "5s" } }),
      Cluster.start({ settings }),
    ]);
  });
  afterAll(async () => {
    await source?.[Symbol.asyncDispose]();
    await destination?.[Symbol.asyncDispose]();
  });

  test("a transaction of a million rows passes a worker of 256 MB heap in under 300 MB, killed at 10, 50 and 90 % on the way", async () => {
    await using trail = await Trail.create({
      source,
      destination,
      tables: "CREATE TABLE item (id int PRIMARY KEY, text text);",
      env: { INDEX_VALUES: "off" },
    });
    await trail.streaming({}, SMALL_HEAP).then((worker) => worker.kill());
    // The memory is measured here, not the indexes of the destination.
    await trail.destination.query(
      "DROP INDEX changes_context_idx, changes_operation_idx, changes_table_primary_key_idx, changes_committed_at_idx",
    );
    await trail.source.query(
      `INSERT INTO item SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, ${MILLION}) i`,
    );
    for (const share of [0.1, 0.5, 0.9]) {
      const worker = await trail.streaming({}, SMALL_HEAP);
      await eventually(
        `${share * 100} % are on their way`,
        async () => (await rendered(worker)) > share * MILLION,
      );
      expectSmall(worker);
      await worker.kill();
      expect(await trail.count()).toBe(0);
    }
    const worker = await trail.streaming({}, SMALL_HEAP);
    await trail.reached(MILLION, 120_000);
    expectSmall(worker);
    const sums = await trail.destination.one(
      "SELECT count(DISTINCT primary_key)::int AS keys, count(DISTINCT id)::int AS ids, bool_and(after->>'text' = repeat(md5(primary_key), 12)) AS exact FROM changes",
    );
    expect(sums).toEqual({ keys: MILLION, ids: MILLION, exact: true });
  }, 300_000);

  test("a big transaction that is rolled back leaves no row, and the position moves on", async () => {
    await using trail = await Trail.create({
      source,
      destination,
      tables: "CREATE TABLE item (id int PRIMARY KEY, text text);",
    });
    await trail.streaming();
    await trail.source.query(
      "BEGIN; INSERT INTO item SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 200000) i; ROLLBACK",
    );
    const end = await trail.walPosition();
    await eventually("the source is told, but for the last bit", async () => {
      const { confirmed } = await trail.slotState();
      return confirmed > end - IDLE_ADVANCE_BYTES;
    });
    expect(await trail.count()).toBe(0);
  });

  test("neither a destination that is blocked for 30 s nor a row of twice 110 MB costs the connection at a wal_sender_timeout of 5 s, nor more memory than other rows", async () => {
    await using trail = await Trail.create({
      source,
      destination,
      tables: `${ledgerTables("item")} CREATE TABLE large (id int PRIMARY KEY, text text)`,
      // The socket rests soon, and the server's questions go unread.
      env: { BATCH_MAX_BYTES: "65536" },
    });
    const worker = await trail.streaming();
    const started = await senderStart(trail);
    const locker = await destination.client(trail.database);
    await locker.query("BEGIN; LOCK TABLE public.changes");
    await using load = startLoad(trail, ["item"], { seed: 15, maxPauseMs: 40 });
    await sleep(BLOCKED_MS);
    expect(await senderStart(trail)).toBe(started);
    await locker.query("ROLLBACK");
    await locker.end();
    await trail.source.query("INSERT INTO large VALUES (1, repeat('é', $1))", [
      HUGE_VALUE_BYTES / 2,
    ]);
    await settle(trail, await load.finish(), { where: `"table" <> 'large'` });
    // Old and new value in one message.
    await trail.source.query("UPDATE large SET text = text || 'x'");
    await eventually(
      "the large row is stored",
      async () => (await trail.count(`"table" = 'large'`)) === 2,
    );
    const [inserted, updated] = await trail.changes(`"table" = 'large'`);
    const value = Buffer.alloc(HUGE_VALUE_BYTES, "é");
    const row = { id: 1, text: omitted(value) };
    const longer = omitted(Buffer.concat([value, Buffer.from("x")]));
    expect(inserted).toMatchObject({ before: {}, after: row });
    expect(updated).toMatchObject({
      before: row,
      after: { id: 1, text: longer },
    });
    expectSmall(worker);
    expect(await senderStart(trail)).toBe(started);
    expect(worker.lines.filter(({ msg }) => msg === "streaming")).toHaveLength(
      1,
    );
  });
});

function expectSmall(worker: WorkerProcess): void {
  expect(peakResidentMegabytes(worker.pid)).toBeLessThan(
    MAX_RESIDENT_MEGABYTES,
  );
}

/** The marker in place of a value over MAX_VALUE_BYTES. */
function omitted(value: Buffer) {
  const sha256 = createHash("sha256").update(value).digest("hex");
  return { $omitted: { bytes: value.length, sha256 } };
}

/** All of them copied but for two batches at most. */
async function rendered(worker: WorkerProcess): Promise<number> {
  const { counters } = await healthOf(worker);
  return (counters as { changes: number }).changes;
}

/** When the connection began that streams now. */
async function senderStart(trail: Trail): Promise<string> {
  const { start } = await trail.source.one<{ start: string }>(
    "SELECT backend_start::text AS start FROM pg_stat_replication WHERE pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1)",
    [trail.slot],
  );
  return start;
}
