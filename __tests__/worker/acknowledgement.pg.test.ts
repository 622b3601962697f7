/**
 * What the source is told: never more than is durable at the
 * destination, to the byte.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { Gate } from "../support/gate";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { serverMajor } from "../support/majors";
import { ReplicationProxy } from "../support/replication-proxy";
import { Trail } from "../support/trail";

const COMMIT = "C".charCodeAt(0);
const ITEMS = "CREATE TABLE item (id int PRIMARY KEY, text text);";

describe("what the source is told", () => {
  let source: Cluster;
  let destination: Cluster;
  beforeAll(async () => {
    [source, destination] = await Promise.all([
      Cluster.start({
        // Status messages every half second.
        settings: { wal_sender_timeout: "2s", synchronous_commit: "on" },
      }),
      Cluster.start({ settings: { fsync: "off" } }),
    ]);
  });
  afterAll(async () => {
    await source?.[Symbol.asyncDispose]();
    await destination?.[Symbol.asyncDispose]();
  });

  const create = (tables = ITEMS, env?: Record<string, string>) =>
    Trail.create({ source, destination, tables, ...(env ? { env } : {}) });

  test("a commit that begins where a stored one ends is read after a kill between the two", async () => {
    await using trail = await create();
    await using proxy = await ReplicationProxy.start(source);
    const { slot } = trail;
    const worker = await trail.streaming({ DB_PORT: String(proxy.port) });
    await trail.source.query(
      `SELECT pg_create_logical_replication_slot('${slot}_peek', 'pgoutput')`,
    );
    const [a, b] = [await trail.client(), await trail.client()];
    let pairs = 0;
    let adjacent = false;
    while (!adjacent) {
      pairs += 1;
      await a.query("BEGIN");
      await a.query("INSERT INTO item VALUES ($1, 'a')", [pairs * 2]);
      await b.query("BEGIN");
      await b.query("INSERT INTO item VALUES ($1, 'b')", [pairs * 2 + 1]);
      proxy.hooks = { holdAfter: (message) => message[0] === COMMIT };
      await Promise.all([a.query("COMMIT"), b.query("COMMIT")]);
      const [first, second] = await commits(trail.source, `${slot}_peek`);
      await eventually("the first of the two is acknowledged", async () => {
        const { confirmed } = await trail.slotState();
        return confirmed >= first.start;
      });
      adjacent = first.end === second.start;
      if (adjacent) await worker.kill();
      proxy.hooks = {};
      proxy.release();
      if (!adjacent) await trail.reached(pairs * 2);
    }
    expect(await trail.count()).toBe(pairs * 2 - 1);
    await trail.streaming();
    await trail.reached(pairs * 2);
  });

  test("a transaction that was open while the idle slot moved on is read, 20 times of 20", async () => {
    await using trail = await create();
    const writer = await trail.client();
    const elsewhere = await source.client();
    await elsewhere.query("CREATE TABLE IF NOT EXISTS noise (text text)");
    let begunAtTheConfirmed = 0;
    for (let round = 1; round <= 20; round++) {
      const worker = await trail.streaming();
      await trail.reached(round - 1);
      await writer.query("BEGIN");
      await writer.query("INSERT INTO item VALUES ($1, 'open')", [round]);
      // More than the position without rows waits for, and flushed by COMMIT.
      await elsewhere.query(
        "INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 1200)",
      );
      const target = await trail.walPosition();
      await eventually("the idle position is acknowledged", async () => {
        const { confirmed } = await trail.slotState();
        return confirmed >= target;
      });
      await worker.kill();
      await trail.released();
      const { confirmed } = await trail.slotState();
      if ((await trail.walPosition()) === confirmed) begunAtTheConfirmed += 1;
      await writer.query("COMMIT");
    }
    await trail.streaming();
    await trail.reached(20);
    await elsewhere.end();
    // Else it would have passed by luck: another record came in between.
    expect(begunAtTheConfirmed).toBeGreaterThan(10);
  });

  test("nothing while the destination is locked, however often the source asks; after a kill all is read again", async () => {
    await using trail = await create(ledgerTables("locked"));
    const worker = await trail.streaming();
    const locker = await destination.client(trail.database);
    await locker.query(
      "BEGIN; LOCK TABLE public.changes IN ACCESS EXCLUSIVE MODE",
    );
    const before = await trail.slotState();
    await using load = startLoad(trail, ["locked"], { seed: 3 });
    await load.more(50);
    const ledger = await load.finish();
    const end = await trail.walPosition();
    const replies = new Set<string>();
    await eventually("all is sent, and five status messages came", async () => {
      const sender = await trail.source.one<{ sent: boolean; reply: string }>(
        "SELECT sent_lsn >= '0/0'::pg_lsn + $1::numeric AS sent, reply_time::text AS reply FROM pg_stat_replication WHERE pid = $2",
        [String(end), before.pid],
      );
      if (sender.sent) replies.add(sender.reply);
      return replies.size > 5;
    });
    expect((await trail.slotState()).confirmed).toBe(before.confirmed);
    await worker.kill();
    await locker.query("ROLLBACK");
    await locker.end();
    await trail.streaming();
    await settle(trail, ledger);
  });

  test("a stream that is cut every 300 ms loses and doubles nothing", async () => {
    await using trail = await create(ledgerTables("cut"));
    const worker = await trail.streaming();
    await using load = startLoad(trail, ["cut"], { seed: 4 });
    let cuts = 0;
    for (let round = 0; round < 30; round++) {
      const { n } = await trail.source.one<{ n: number }>(
        "SELECT count(pg_terminate_backend(active_pid))::int AS n FROM pg_replication_slots WHERE slot_name = $1 AND active",
        [trail.slot],
      );
      cuts += n;
      await sleep(300);
    }
    await settle(trail, await load.finish());
    // It takes longer from cut to cut if it gets nowhere in between.
    expect(cuts).toBeGreaterThan(3);
    expect(worker.lines.filter(isStreaming).length).toBeGreaterThan(3);
  });

  test("a transaction that the destination rejected once is stored once, and in its place", async () => {
    await using trail = await create();
    const worker = await trail.streaming();
    await trail.destination.query(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('tries') = 1 THEN RAISE EXCEPTION 'not this time' USING ERRCODE = 'disk_full'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER reject BEFORE INSERT ON public.changes
        FOR EACH ROW WHEN (NEW.primary_key = '3') EXECUTE FUNCTION reject()`);
    for (let id = 1; id <= 5; id++) {
      await trail.source.query("INSERT INTO item VALUES ($1)", [id]);
      if (id < 3) await trail.reached(id);
    }
    await trail.reached(5);
    const keys = (await trail.changes()).map(({ primaryKey }) => primaryKey);
    expect(keys).toEqual(["1", "2", "3", "4", "5"]);
    const { tries } = await trail.destination.one<{ tries: number }>(
      "SELECT last_value::int AS tries FROM tries",
    );
    expect(tries).toBe(2);
    expect(worker.lines.filter(isStreaming)).toHaveLength(2);
  });

  test("a commit that the destination refused is not stepped over by the next, which waited for it", async () => {
    await using trail = await create(ITEMS, { BATCH_MAX_DELAY_MS: "0" });
    await trail.streaming();
    await using gate = await Gate.close(trail, "NEW.primary_key = '1'");
    await trail.destination.query(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('tries') = 1 THEN RAISE EXCEPTION 'not this time' USING ERRCODE = 'disk_full'; END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON public.changes
        DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.primary_key = '1') EXECUTE FUNCTION refuse()`);
    await trail.source.query("INSERT INTO item VALUES (1)");
    await gate.reached();
    await trail.source.query("INSERT INTO item VALUES (2)");
    const { pid } = await trail.slotState();
    await sentTo(trail, pid, await trail.walPosition());
    // The worker's look-ups freeze with their connection, so that it takes its
    // time to end the session, and a write that it should not begin could end.
    const lookups = await lookupPid(trail);
    process.kill(lookups, "SIGSTOP");
    await gate.open();
    await sleep(500);
    process.kill(lookups, "SIGCONT");
    await trail.reached(2);
    const keys = (await trail.changes()).map(({ primaryKey }) => primaryKey);
    expect(keys).toEqual(["1", "2"]);
  });

  test("a position that goes back in a crash of the source doubles nothing", async () => {
    await using trail = await create(ledgerTables("back"));
    const worker = await trail.streaming();
    await trail.source.query("CHECKPOINT");
    await using load = startLoad(trail, ["back"], { seed: 10 });
    await load.more(40);
    await load.finish();
    await settle(trail, load.ledger);
    const { commitLsn } = await trail.watermark();
    await eventually("the source is told", async () => {
      const { confirmed } = await trail.slotState();
      return confirmed >= commitLsn;
    });
    await worker.kill();
    await trail.restartSource("immediate");
    expect((await trail.slotState()).confirmed).toBeLessThan(commitLsn);
    await trail.streaming();
    await trail.source.query(ledgerTables("back_again"));
    await using more = startLoad(trail, ["back_again"], { seed: 11 });
    await more.more(5);
    await more.finish();
    load.ledger.transactions.push(...more.ledger.transactions);
    await settle(trail, load.ledger);
  });

  test("a source that is asked to stop does not wait for a destination that is locked, and nothing is lost", async () => {
    await using trail = await create();
    await trail.streaming();
    await trail.source.query("INSERT INTO item VALUES (1)");
    await trail.reached(1);
    const locker = await destination.client(trail.database);
    await locker.query("BEGIN; LOCK TABLE public.changes");
    await trail.source.query("INSERT INTO item VALUES (2)");
    const before = await trail.slotState();
    await trail.restartSource("fast");
    // Up to 16 a position that nothing else was saved with does not outlive a
    // restart, and the slot falls back behind it; 17 saves it when it
    // shuts down.
    const { confirmed } = await trail.slotState();
    if (serverMajor >= 17) expect(confirmed).toBe(before.confirmed);
    else expect(confirmed).toBeLessThanOrEqual(before.confirmed);
    await locker.query("ROLLBACK");
    await locker.end();
    await trail.source.query("INSERT INTO item VALUES (3)");
    await trail.reached(3);
  });

  test("a source that never hears of any position doubles nothing after a kill", async () => {
    await using trail = await create(ledgerTables("deaf"));
    await using proxy = await ReplicationProxy.start(source);
    proxy.hooks = { report: () => 0n };
    const deaf = { DB_PORT: String(proxy.port) };
    const before = await trail.streaming(deaf).then(async (worker) => {
      await worker.kill();
      return trail.slotState();
    });
    await using load = startLoad(trail, ["deaf"], { seed: 12 });
    for (let kill = 0; kill < 3; kill++) {
      const worker = await trail.streaming(deaf);
      const stored = await trail.count();
      await eventually(
        "some more are stored",
        async () => (await trail.count()) > stored + 50,
      );
      await worker.kill();
    }
    await trail.streaming(deaf);
    await settle(trail, await load.finish());
    expect((await trail.slotState()).confirmed).toBe(before.confirmed);
  });
});

function isStreaming({ msg }: { msg: string }): boolean {
  return msg === "streaming";
}

/** Waits until the server has sent all up to a position. */
async function sentTo(trail: Trail, pid: number | null, position: bigint) {
  await eventually("all is sent", async () => {
    const { sent } = await trail.source.one<{ sent: boolean }>(
      "SELECT sent_lsn >= '0/0'::pg_lsn + $1::numeric AS sent FROM pg_stat_replication WHERE pid = $2",
      [String(position), pid],
    );
    return sent;
  });
}

/** The server's process behind the worker's connection for look-ups. */
async function lookupPid(trail: Trail): Promise<number> {
  const { pid } = await trail.source.one<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1 AND backend_type = 'client backend'",
    [`bemi-worker ${trail.slot}`],
  );
  return pid;
}

interface Commit {
  readonly start: bigint;
  readonly end: bigint;
}

/** The last two commit records, read with another slot. */
async function commits(
  session: Trail["source"],
  slot: string,
): Promise<readonly [Commit, Commit]> {
  const rows = await session.query<{ data: Buffer }>(
    "SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'bemi')",
    [slot],
  );
  const found = rows
    .map(({ data }) => data)
    .filter((data) => data[0] === COMMIT)
    .map((data) => ({
      start: data.readBigUInt64BE(2),
      end: data.readBigUInt64BE(10),
    }));
  const [first, second] = found.slice(-2);
  if (!first || !second) throw new Error("the slot shows no two commits");
  return [first, second];
}
