/** A worker that was down while much was written. */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { healthOf } from "../support/health";
import { Trail } from "../support/trail";

const MEBIBYTE = 1024 * 1024;
const LIMIT_MEBIBYTES = 320;
const ROWS = 25_000;
/** Of 8,000 bytes each, which nothing compresses in the log. */
const WRITTEN_BYTES = ROWS * 8_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: {
      fsync: "off",
      max_slot_wal_keep_size: `${LIMIT_MEBIBYTES}MB`,
    },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

interface Slot {
  readonly retainedBytes: number;
  readonly safeBytes: number;
}

test("what was written meanwhile is kept, reported and warned of, and the next start catches up", async () => {
  await using destination = await Cluster.start({ settings: { fsync: "off" } });
  await using trail = await Trail.create({
    source: cluster,
    destination,
    tables:
      "CREATE TABLE item (id int PRIMARY KEY, filler text); ALTER TABLE item ALTER filler SET STORAGE PLAIN",
  });
  const first = await trail.streaming();
  first.signal("SIGTERM");
  await first.exited;
  await trail.source.query(
    `INSERT INTO item SELECT i, repeat('x', 8000) FROM generate_series(1, ${ROWS}) i`,
  );

  // What an alarm at the source sees while there is nobody else to measure.
  const kept = await trail.source.one<{ retained: string; safe: string }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS retained, safe_wal_size AS safe FROM pg_replication_slots WHERE slot_name = $1",
    [trail.slot],
  );
  expect(Number(kept.retained)).toBeGreaterThan(WRITTEN_BYTES);
  const total = Number(kept.retained) + Number(kept.safe);
  // Counted in whole segments of 16 MB.
  expect(Math.abs(total / MEBIBYTE - LIMIT_MEBIBYTES)).toBeLessThan(33);

  const worker = await trail.streaming();
  expect(await worker.log("of the log that the source may keep")).toMatchObject(
    { level: "warn", walStatus: expect.any(String) },
  );
  await trail.reached(ROWS, 180_000);
  const slot = await eventually(
    "the source to let go of its log",
    async () => {
      const now = (await healthOf(worker)).slot as Slot | undefined;
      return now && now.retainedBytes < WRITTEN_BYTES / 4 && now;
    },
    120_000,
  );
  expect(slot.safeBytes).toBeGreaterThan((LIMIT_MEBIBYTES / 2) * MEBIBYTE);
  expect(await worker.log("the slot has enough log left again")).toBeDefined();
});
