/**
 * A failover to a physical standby, on PostgreSQL 17, the first that
 * copies slots to standbys.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { Forwarder } from "../support/forwarder";
import { healthOf } from "../support/health";
import { promote, startStandby } from "../support/standby";
import { Trail } from "../support/trail";

const TABLES = `
  CREATE TABLE item (id int PRIMARY KEY);
  CREATE TABLE pulse (at timestamptz DEFAULT clock_timestamp());`;
const IS_ITEM = `"table" = 'item'`;
const major = 17;

let destination: Cluster;
beforeAll(async () => {
  destination = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => destination?.[Symbol.asyncDispose]());

interface Pair extends AsyncDisposable {
  readonly primary: Cluster;
  readonly standby: Cluster;
  readonly trail: Trail;
  readonly forwarder: Forwarder;
  /** The worker's variables: it goes through the forwarder. */
  readonly env: Readonly<Record<string, string>>;
}

/** A tracked primary, whose standby copies the trail's slot. */
async function startPair(): Promise<Pair> {
  const primary = await Cluster.start({
    major,
    settings: { fsync: "off", wal_sender_timeout: "3s" },
  });
  const admin = await primary.client();
  await admin.query("SELECT pg_create_physical_replication_slot('physical')");
  await admin.end();
  const trail = await Trail.create({
    source: primary,
    destination,
    tables: TABLES,
  });
  const forwarder = await Forwarder.start(primary);
  const standby = await startStandby(primary, {
    major,
    settings: {
      primary_slot_name: "physical",
      hot_standby_feedback: "on",
      sync_replication_slots: "on",
      wal_retrieve_retry_interval: "100ms",
    },
  });
  await trail.source.query("SELECT 1").catch(() => undefined);
  return {
    primary,
    standby,
    trail,
    forwarder,
    env: { DB_PORT: String(forwarder.port) },
    async [Symbol.asyncDispose]() {
      // For the trail to drop its slot, without a wait for a dead server.
      if (primary.pid === undefined) await primary.startAgain();
      await trail[Symbol.asyncDispose]();
      await forwarder[Symbol.asyncDispose]();
      await standby[Symbol.asyncDispose]();
      await primary[Symbol.asyncDispose]();
    },
  };
}

/** The standby has the slot, ready for a promotion. */
async function slotIsCopied({ primary, standby, trail }: Pair): Promise<void> {
  const [here, there] = await Promise.all([
    primary.client(trail.database),
    standby.client(trail.database),
  ]);
  await eventually("the slot is copied", async () => {
    // The slot has to move on before its copy is taken for good.
    await here.query("INSERT INTO pulse DEFAULT VALUES");
    await here.query("SELECT pg_log_standby_snapshot()");
    const { rows } = await there.query(
      "SELECT FROM pg_replication_slots WHERE slot_name = $1 AND synced AND NOT temporary",
      [trail.slot],
    );
    if (rows.length > 0) return true;
    await sleep(200);
    return false;
  });
  await Promise.all([here.end(), there.end()]);
}

async function setting(server: Cluster, sql: string): Promise<void> {
  const client = await server.client();
  await client.query(`ALTER SYSTEM ${sql}`);
  await client.query("SELECT pg_reload_conf()");
  await client.end();
}

async function ids(server: Cluster, { database }: Trail): Promise<string[]> {
  const client = await server.client(database);
  const { rows } = await client.query(
    "SELECT id::text FROM item ORDER BY item.id",
  );
  await client.end();
  return rows.map(({ id }) => id);
}

const stored = async (trail: Trail) =>
  (await trail.changes(IS_ITEM)).map(({ primaryKey }) => primaryKey);

test("a failover under load loses and doubles nothing, and the worker goes on without a restart", async () => {
  await using pair = await startPair();
  const { primary, standby, trail, forwarder, env } = pair;
  await setting(primary, "SET synchronized_standby_slots = 'physical'");
  const worker = await trail.streaming(env);
  await slotIsCopied(pair);

  const writer = await primary.client(trail.database);
  let written = 0;
  const writing = (async () => {
    for (let id = 1; id <= 10_000; id++) {
      await writer.query(`INSERT INTO item VALUES (${id})`);
      written = id;
    }
  })().catch(() => "the primary is gone");
  await eventually(
    "some are stored",
    async () => (await trail.count(IS_ITEM)) > 200,
  );
  await primary.stop("immediate");
  expect(await writing).toBe("the primary is gone");

  forwarder.moveTo(standby);
  const health = await eventually("the worker waits", async () => {
    const now = await healthOf(worker);
    return now.problem?.includes("standby") && now;
  });
  expect(health).toMatchObject({ status: 503, healthy: false });
  expect(health.problem).toContain("the source is a standby");
  // So does one that is started now: the trail has begun.
  const late = trail.start(env);
  expect(await late.log("the source is a standby")).toMatchObject({
    level: "warn",
    retryInMs: expect.any(Number),
  });
  await late.kill();
  await promote(standby);
  await worker.log("the source was promoted");

  const after = await standby.client(trail.database);
  await after.query("INSERT INTO item VALUES (100001), (100002)");
  await after.end();
  await eventually("the last is stored", async () =>
    (await stored(trail)).includes("100002"),
  );
  expect(await stored(trail)).toEqual(await ids(standby, trail));
  expect(written).toBeGreaterThan(200);
  expect((await healthOf(worker)).status).toBe(200);
});

test("the worker waits for a standby that synchronized_standby_slots names; promoted without one, a trail that has more is reported as divergent", async () => {
  await using pair = await startPair();
  const { primary, standby, trail, forwarder, env } = pair;
  await setting(primary, "SET synchronized_standby_slots = 'physical'");
  const worker = await trail.streaming(env);
  await slotIsCopied(pair);

  await standby.stop();
  await trail.source.query("INSERT INTO item VALUES (1)");
  const line = await worker.log("the source sends nothing before a standby");
  expect(line).toMatchObject({ level: "warn" });
  expect(line.reason).toContain("physical");
  expect(await stored(trail)).toEqual([]);
  await standby.startAgain();
  const has = (id: string) =>
    eventually(`${id} is stored`, async () =>
      (await stored(trail)).includes(id),
    );
  await has("1");

  await setting(primary, "RESET synchronized_standby_slots");
  await standby.stop();
  await trail.source.query("INSERT INTO item VALUES (2)");
  await has("2");
  expect(worker.lines.filter(({ error }) => error)).toEqual([]);
  await primary.stop("immediate");
  await standby.startAgain();
  await promote(standby);
  forwarder.moveTo(standby);
  expect(await worker.exited).toEqual({ code: 3, signal: null });
  expect(worker.lines.at(-1)?.msg).toMatch(
    /^divergent: the trail has a commit at .*, this server left timeline 1 at /,
  );
  expect(await stored(trail)).toEqual(["1", "2"]);
  expect(await ids(standby, trail)).toEqual(["1"]);

  // What the trail has too much stays, and is noted; what comes now is whole.
  const after = await standby.client(trail.database);
  await after.query("INSERT INTO item VALUES (3)");
  const adopted = trail.start(env, {
    args: ["adopt", "--reason", "promoted without the last change", "--yes"],
  });
  expect(await adopted.exited).toMatchObject({ code: 0 });
  await trail.streaming(env);
  await after.query("INSERT INTO item VALUES (4)");
  await after.end();
  await has("4");
  expect(await stored(trail)).toEqual(["1", "2", "3", "4"]);
  expect(
    await trail.destination.query("SELECT reason FROM public._bemi_gaps"),
  ).toEqual([{ reason: "promoted without the last change" }]);
});
