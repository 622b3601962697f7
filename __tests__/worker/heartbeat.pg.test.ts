/** A source on which nothing happens for us, and much for others. */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { parseLsn } from "../../worker/lsn";
import { addressOf, healthOf, parseMetrics } from "../support/health";
import { serverMajor } from "../support/majors";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

let source: Cluster;
let destination: Cluster;
beforeAll(async () => {
  [source, destination] = await Promise.all([
    Cluster.start({ settings: { fsync: "off" } }),
    Cluster.start({ settings: { fsync: "off" } }),
  ]);
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await destination[Symbol.asyncDispose]();
});

const INTERVAL_MS = 30_000;
const NEIGHBOUR_MEGABYTES = 150;
const TABLES =
  "CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int, filler text)";

const create = (env?: Record<string, string>) =>
  Trail.create({
    source,
    destination,
    tables: TABLES,
    env: { TRACK_TABLES: "public.item", ...env },
  });

async function figure(worker: WorkerProcess, name: string, slot: string) {
  const response = await fetch(`${await addressOf(worker)}/metrics`);
  return parseMetrics(await response.text(), slot)[name]?.value;
}

async function restartLsn(trail: Trail): Promise<bigint> {
  const { lsn } = await trail.source.one<{ lsn: string }>(
    "SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1",
    [trail.slot],
  );
  return parseLsn(lsn);
}

/** `megabytes` of log in a table that nobody tracks. */
const writeOthers = (megabytes: number) =>
  `INSERT INTO other SELECT i, repeat('x', 8000) FROM generate_series(1, ${megabytes * 128}) i`;

test("a slot follows what others write, in another database or in tables that are not tracked, and stays while the destination is locked", async () => {
  await using idle = await create();
  await using untracked = await create();
  await using locked = await create();
  await Promise.all([idle, untracked, locked].map((each) => each.streaming()));
  await locked.source.query("INSERT INTO item VALUES (1)");
  await locked.reached(1);
  const locker = await destination.client(locked.database);
  await locker.query("BEGIN; LOCK TABLE public.changes");
  await locked.source.query("INSERT INTO item VALUES (2)");
  const held = await locked.slotState();
  const heldRestart = await restartLsn(locked);

  await source.createDatabase("neighbour");
  const neighbour = await source.client("neighbour");
  await neighbour.query("CREATE TABLE other (id int, filler text)");
  // Not toasted and compressed away: the log has to be written.
  await neighbour.query("ALTER TABLE other ALTER filler SET STORAGE PLAIN");
  await untracked.source.query(
    "ALTER TABLE other ALTER filler SET STORAGE PLAIN",
  );
  const before = await idle.walPosition();
  await Promise.all([
    neighbour.query(writeOthers(NEIGHBOUR_MEGABYTES)),
    untracked.source.query(writeOthers(NEIGHBOUR_MEGABYTES / 3)),
  ]);
  await neighbour.end();
  const written = await idle.walPosition();
  expect(written - before).toBeGreaterThan(
    BigInt(NEIGHBOUR_MEGABYTES) * 1024n * 1024n,
  );

  // From here on the heartbeats are all that is written.
  for (const trail of [idle, untracked]) {
    await eventually(
      `the slot of ${trail.database} follows`,
      async () => (await restartLsn(trail)) >= written,
      4 * INTERVAL_MS,
    );
  }
  // What is not stored is not given up, whatever comes back in the stream.
  expect((await locked.slotState()).confirmed).toBe(held.confirmed);
  expect(await restartLsn(locked)).toBe(heldRestart);
  await locker.query("ROLLBACK");
  await locker.end();
  await locked.reached(2);
});

test("the delay is measured without a clock that somebody sets, and is unknown where no heartbeat may be written", async () => {
  const role = "quiet_reader";
  const signature = `pg_logical_emit_message(boolean, text, text${serverMajor >= 17 ? ", boolean" : ""})`;
  await using wrongClock = await create();
  const hour =
    "data:text/javascript,const now=Date.now;Date.now=()=>now()+36e5";
  const late = await wrongClock.streaming(
    {},
    { nodeOptions: ["--import", hour] },
  );
  const age = await eventually("the first heartbeat", () =>
    figure(late, "bemi_worker_heartbeat_age_seconds", wrongClock.slot),
  );
  expect(age).toBeLessThan(60);
  expect(
    await figure(late, "bemi_worker_lag_seconds", wrongClock.slot),
  ).toBeLessThan(60);

  await using denied = await create();
  // The set-up is the administrator's; the worker that only reads is not one.
  const first = await denied.streaming();
  first.signal("SIGTERM");
  await first.exited;
  await denied.source.query(`
    CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'p';
    GRANT SELECT ON item TO ${role};
    REVOKE EXECUTE ON FUNCTION ${signature} FROM PUBLIC`);
  const worker = await denied.streaming({
    DB_USER: role,
    DB_PASSWORD: "p",
    SETUP: "never",
  });
  const warning = await worker.log("the heartbeat cannot be written");
  expect(warning).toMatchObject({
    level: "warn",
    remedy: expect.stringContaining("GRANT EXECUTE"),
  });
  await denied.source.query("INSERT INTO item VALUES (1)");
  await denied.reached(1);
  await eventually("the slot's figures, on the same connection", () =>
    figure(worker, "bemi_slot_retained_bytes", denied.slot),
  );
  expect(
    await figure(worker, "bemi_worker_heartbeat_failures_total", denied.slot),
  ).toBe(1);
  expect(
    await figure(worker, "bemi_worker_lag_seconds", denied.slot),
  ).toBeUndefined();
  expect(await healthOf(worker)).toMatchObject({ status: 200 });
  await denied.source.query(
    `GRANT EXECUTE ON FUNCTION ${signature} TO ${role}`,
  );
  await eventually(
    "the next heartbeat",
    () => figure(worker, "bemi_worker_heartbeat_age_seconds", denied.slot),
    2 * INTERVAL_MS,
  );
  await denied.source.query(`
    GRANT EXECUTE ON FUNCTION ${signature} TO PUBLIC;
    REVOKE EXECUTE ON FUNCTION ${signature} FROM ${role};
    DROP OWNED BY ${role}`);
});
