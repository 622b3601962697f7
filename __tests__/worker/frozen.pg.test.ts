/**
 * Each dependency frozen in turn: the worker says who is waited for, and
 * goes on by itself. What takes long and is right stays healthy.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { type Health, healthOf } from "../support/health";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

/** Longer than a step may take before somebody is named. */
const STALLED_MS = 120_000;
/** The log that fills while nobody reads it. */
const FILL_MS = 40_000;
const settings = { fsync: "off" };

const begin = async (
  source: Cluster,
  destination: Cluster,
): Promise<{ trail: Trail; worker: WorkerProcess }> => {
  const trail = await Trail.create({
    source,
    destination,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
  });
  const worker = await trail.streaming();
  await trail.source.query("INSERT INTO item VALUES (1)");
  await trail.reached(1);
  return { trail, worker };
};

const state = (worker: WorkerProcess, expected: string) =>
  eventually(
    `the state ${expected}`,
    async () => {
      const health = await healthOf(worker);
      return health.state === expected && health;
    },
    STALLED_MS,
  );

/** Afterwards everything is as if nothing had been. */
async function recovers(trail: Trail, worker: WorkerProcess): Promise<void> {
  await trail.source.query("INSERT INTO item VALUES (3)");
  await trail.reached(3, STALLED_MS);
  const health = await state(worker, "streaming");
  expect(health.status).toBe(200);
}

test.concurrent("a destination that is locked is named, with the time until the slot is lost", async () => {
  await using source = await Cluster.start({
    settings: { ...settings, max_slot_wal_keep_size: "2GB" },
  });
  await using destination = await Cluster.start({ settings });
  const { trail, worker } = await begin(source, destination);
  await using _ = trail;
  const locker = await destination.client(trail.database);
  await locker.query("BEGIN; LOCK TABLE public.changes");
  const lockedAt = Date.now();
  await trail.source.query("INSERT INTO item VALUES (2)");
  const neighbour = await source.client();
  await neighbour.query(
    "CREATE TABLE other (filler text); ALTER TABLE other ALTER filler SET STORAGE PLAIN",
  );
  while (Date.now() < lockedAt + FILL_MS) {
    await neighbour.query(
      "INSERT INTO other SELECT repeat('x', 8000) FROM generate_series(1, 128)",
    );
    await sleep(500);
  }
  await neighbour.end();
  const blocked = await state(worker, "blocked-by-destination");
  expect(blocked.status).toBe(200);
  const since = new Date(String(blocked.since)).getTime();
  expect(Math.abs(since - lockedAt)).toBeLessThan(15_000);
  const { slot } = await eventually("the growth", async () => {
    const health = await healthOf(worker);
    return growthOf(health) > 0 && health;
  });
  const { growthBytesPerSecond, secondsLeft, safeBytes } = slot as Record<
    string,
    number
  >;
  expect(secondsLeft).toBe(
    Math.round(Number(safeBytes) / Number(growthBytesPerSecond)),
  );
  expect(await worker.log("blocked by the destination")).toMatchObject({
    level: "warn",
  });
  await locker.query("ROLLBACK");
  await locker.end();
  await recovers(trail, worker);
});

function growthOf({ slot }: Health): number {
  return (slot as { growthBytesPerSecond?: number })?.growthBytesPerSecond ?? 0;
}

describe("a source", () => {
  test.concurrent("whose sender is frozen is named, and left for a new connection", async () => {
    await using source = await Cluster.start({ settings });
    await using destination = await Cluster.start({ settings });
    const { trail, worker } = await begin(source, destination);
    await using _ = trail;
    const { pid } = await trail.slotState();
    process.kill(Number(pid), "SIGSTOP");
    await trail.source.query("INSERT INTO item VALUES (2)");
    try {
      const blocked = await state(worker, "blocked-by-source");
      expect(blocked.status).toBe(200);
    } finally {
      process.kill(Number(pid), "SIGCONT");
    }
    await recovers(trail, worker);
  });

  test.concurrent("that is frozen as a whole is named, then unhealthy with the reason", async () => {
    await using source = await Cluster.start({ settings });
    await using destination = await Cluster.start({ settings });
    const { trail, worker } = await begin(source, destination);
    await using _ = trail;
    await trail.source.query("INSERT INTO item VALUES (2)");
    await trail.reached(2);
    const sessions = await trail.source.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
    );
    // The parent last, so that nobody is told of a child that stopped.
    const pids = [...sessions.map(({ pid }) => pid), Number(source.pid)];
    const signal = (name: NodeJS.Signals) => {
      for (const pid of pids) process.kill(pid, name);
    };
    signal("SIGSTOP");
    try {
      await state(worker, "blocked-by-source");
      const gone = await eventually(
        "the connection to be given up",
        async () => {
          const health = await healthOf(worker);
          return health.status === 503 && health;
        },
        STALLED_MS,
      );
      expect(gone.problem).toEqual(expect.any(String));
    } finally {
      signal("SIGCONT");
    }
    await recovers(trail, worker);
  });

  test.concurrent("with a long transaction is no trouble, and healthy", async () => {
    await using source = await Cluster.start({ settings });
    await using destination = await Cluster.start({ settings });
    const { trail, worker } = await begin(source, destination);
    await using _ = trail;
    const writer = await trail.client();
    await writer.query("BEGIN; INSERT INTO item VALUES (2)");
    const states = new Set<string>();
    const until = Date.now() + FILL_MS;
    while (Date.now() < until) {
      const health = await healthOf(worker);
      states.add(`${health.status} ${health.state}`);
      await sleep(500);
    }
    // On a busy machine it may fall behind for a moment; it is never blocked.
    for (const each of states)
      expect(each).toMatch(/^200 (streaming|catching-up)$/);
    await writer.query("COMMIT");
    await recovers(trail, worker);
  });
});
