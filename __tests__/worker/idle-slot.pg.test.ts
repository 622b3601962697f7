/**
 * PostgreSQL 18 invalidates a slot that nobody uses. A worker whose
 * destination is away keeps it in use; one that is away itself cannot.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { Trail } from "../support/trail";

/** Without a unit it would be seconds as well. */
const IDLE_TIMEOUT_MS = 10_000;
/** What a slot is invalidated by: a checkpoint finds that it is too long idle. */
const CHECKPOINT_INTERVAL_MS = 1_000;

test("a destination that is away for three times the idle timeout costs a delay; a worker that is away for as long, the slot", async () => {
  await using source = await Cluster.start({
    major: 18,
    settings: {
      fsync: "off",
      idle_replication_slot_timeout: `${IDLE_TIMEOUT_MS}ms`,
    },
  });
  await using destination = await Cluster.start({
    settings: { fsync: "off" },
  });
  await using trail = await Trail.create({
    source,
    destination,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
  });
  const write = async (from: number, to: number) => {
    await trail.source.query(
      `INSERT INTO item SELECT generate_series(${from}, ${to})`,
    );
  };
  const checkpoints = async (timeMs: number) => {
    for (const until = Date.now() + timeMs; Date.now() < until; ) {
      await trail.source.query("CHECKPOINT");
      await sleep(CHECKPOINT_INTERVAL_MS);
    }
  };
  const invalidation = async () =>
    trail.source.one<{ reason: string | null }>(
      "SELECT invalidation_reason AS reason FROM pg_replication_slots",
    );

  const worker = await trail.streaming();
  await write(1, 10);
  await trail.reached(10);
  await destination.stop("immediate");
  const { confirmed } = await trail.slotState();
  // More than the line and the queue hold, so that the socket rests.
  await write(11, 200_000);
  await worker.log("the slot is kept in use until the destination is back");
  await checkpoints(3 * IDLE_TIMEOUT_MS);
  expect(await invalidation()).toEqual({ reason: null });
  const during = await trail.slotState();
  expect(during).toMatchObject({ active: true, confirmed });
  await destination.startAgain();
  await trail.destination[Symbol.asyncDispose]();
  await trail.reached(200_000, 120_000);
  // Once, and not at every attempt.
  const held = worker.lines.filter(({ msg }) =>
    /kept in use/.test(String(msg)),
  );
  expect(held).toHaveLength(1);

  worker.signal("SIGTERM");
  await worker.exited;
  await trail.released();
  await write(200_001, 200_010);
  await eventually("the slot is invalidated", async () => {
    await trail.source.query("CHECKPOINT");
    return (await invalidation()).reason !== null;
  });
  expect(await invalidation()).toEqual({ reason: "idle_timeout" });
  const late = trail.start();
  expect(await late.exited).toMatchObject({ code: 3 });
  expect(late.lines.at(-1)).toMatchObject({
    level: "fatal",
    msg: expect.stringContaining("idle_timeout"),
    remedy: expect.stringContaining("gap"),
  });
}, 300_000);
