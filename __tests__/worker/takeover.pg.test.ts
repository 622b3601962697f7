/**
 * Who may write: of two workers one, of a frozen one nothing,
 * and a worker that is asked to end ends.
 */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { between, seeded } from "../../scripts/soak/random";
import { Gate } from "../support/gate";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { ReplicationProxy } from "../support/replication-proxy";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const COMMIT = "C".charCodeAt(0);
const ITEMS = "CREATE TABLE item (id int PRIMARY KEY, text text);";
/** Small enough that a transaction of some thousand rows goes in parts. */
const IN_PARTS = { BATCH_MAX_BYTES: "65536" };
const SLOT_IN_USE = "the slot is in use";

describe("who may write", () => {
  let source: Cluster;
  let destination: Cluster;
  beforeAll(async () => {
    [source, destination] = await Promise.all([
      Cluster.start({ settings: { fsync: "off", wal_sender_timeout: "3s" } }),
      Cluster.start({ settings: { fsync: "off" } }),
    ]);
  });
  afterAll(async () => {
    await source?.[Symbol.asyncDispose]();
    await destination?.[Symbol.asyncDispose]();
  });

  const create = (tables = ITEMS) =>
    Trail.create({ source, destination, tables, env: IN_PARTS });

  test("of two workers one writes and one waits, and takes over when the other is killed", async () => {
    await using trail = await create(ledgerTables("two"));
    let owner = await trail.streaming();
    await using load = startLoad(trail, ["two"], { seed: 13 });
    for (let turn = 0; turn < 3; turn++) {
      const waiting = trail.start();
      await waiting.log(SLOT_IN_USE);
      expect(failures(owner)).toEqual([]);
      await owner.kill();
      await waiting.log("streaming");
      owner = waiting;
    }
    await settle(trail, await load.finish());
  });

  test("the next worker waits for a slot whose owner died behind a dead line, and does not give up", async () => {
    await using trail = await create();
    await using proxy = await ReplicationProxy.start(source);
    proxy.hooks = { deadLine: true };
    const dead = await trail.streaming({ DB_PORT: String(proxy.port) });
    await dead.kill();
    await trail.source.query("INSERT INTO item VALUES (1)");
    const next = trail.start();
    await next.log(SLOT_IN_USE);
    await next.log("streaming");
    await trail.reached(1);
    expect(failures(next)).toEqual([]);
    // As long as the server may take to notice, it is nobody's concern.
    const waits = next.lines.filter(({ msg }) => msg.includes(SLOT_IN_USE));
    expect(new Set(waits.map(({ level }) => level))).toEqual(new Set(["info"]));
  });

  test("a worker that is frozen in the middle of a flush is taken over, and ends as fenced when it wakes", async () => {
    await using trail = await create();
    const frozen = await trail.streaming();
    await using gate = await Gate.close(trail, "NEW.primary_key = '1000'");
    await trail.source.query(
      "INSERT INTO item SELECT i, 'x' FROM generate_series(1, 3000) i",
    );
    await gate.reached();
    frozen.signal("SIGSTOP");
    const second = await trail.streaming();
    await gate.open();
    await trail.reached(3000);
    frozen.signal("SIGCONT");
    expect(await frozen.exited).toEqual({ code: 1, signal: null });
    expect(frozen.lines.at(-1)?.msg).toContain("fenced");
    await trail.source.query("INSERT INTO item VALUES (3001)");
    await trail.reached(3001);
    expect(failures(second)).toEqual([]);
  });

  test("rows that a frozen worker has copied but not committed, in two transactions, are not in the way of the next one", async () => {
    await using trail = await create();
    const frozen = await trail.streaming();
    await using gate = await Gate.close(trail, "NEW.primary_key = '1'");
    await trail.source.query("INSERT INTO item VALUES (1)");
    await gate.reached();
    // More than a batch, and no transaction of it is more than one.
    for (const from of [2, 102, 202, 302, 402]) {
      await trail.source.query(
        `INSERT INTO item SELECT i, repeat('x', 100) FROM generate_series(${from}, ${from + 99}) i`,
      );
    }
    await eventually("the next batch is copied beside the first", async () => {
      const { n } = await trail.destination.one<{ n: number }>(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bemi-worker %' AND state = 'idle in transaction'",
      );
      return n === 1;
    });
    frozen.signal("SIGSTOP");
    const second = await trail.streaming();
    await gate.open();
    await trail.reached(501);
    frozen.signal("SIGCONT");
    expect(await frozen.exited).toEqual({ code: 1, signal: null });
    expect(frozen.lines.at(-1)?.msg).toContain("fenced");
    expect(failures(second)).toEqual([]);
  });

  test("rows that the former owner still held when it was taken over are not written by it", async () => {
    await using trail = await create();
    await using proxy = await ReplicationProxy.start(source);
    const former = await trail.streaming({ DB_PORT: String(proxy.port) });
    proxy.hooks = { holdAfter: (message) => message[0] === COMMIT };
    await trail.source.query("INSERT INTO item VALUES (1)");
    await trail.reached(1);
    await trail.source.query("INSERT INTO item VALUES (2)");
    const { pid } = await trail.slotState();
    const end = await trail.walPosition();
    await eventually("the second is on its way", async () => {
      const { sent } = await trail.source.one<{ sent: boolean }>(
        "SELECT sent_lsn >= '0/0'::pg_lsn + $1::numeric AS sent FROM pg_stat_replication WHERE pid = $2",
        [String(end), pid],
      );
      return sent;
    });
    await trail.source.query("SELECT pg_terminate_backend($1)", [pid]);
    await trail.streaming();
    await trail.reached(2);
    proxy.release();
    expect(await former.exited).toEqual({ code: 1, signal: null });
    // Found at its first write, and not by what a second row would break.
    expect(failures(former)).toEqual([expect.stringContaining("fenced")]);
    await trail.reached(2);
  });

  test("SIGTERM at random times under load ends with exit code 0, and loses and doubles nothing", async () => {
    const random = seeded(14);
    await using trail = await create(ledgerTables("asked"));
    await trail.streaming().then((worker) => worker.kill());
    await using load = startLoad(trail, ["asked"], { seed: 14 });
    for (let turn = 0; turn < 8; turn++) {
      const worker = trail.start();
      // Also while it still connects.
      await worker.log(turn < 2 ? "health" : "streaming");
      await load.more(between(random, 0, 80));
      worker.signal(turn % 2 ? "SIGTERM" : "SIGINT");
      expect(await worker.exited).toEqual({ code: 0, signal: null });
    }
    await trail.streaming();
    await settle(trail, await load.finish());
  });

  test("SIGTERM in the middle of a huge transaction ends with exit code 0 and stores nothing of it", async () => {
    await using trail = await create();
    const worker = await trail.streaming();
    await using gate = await Gate.close(trail, "NEW.primary_key = '20000'");
    await trail.source.query(
      "INSERT INTO item SELECT i, 'x' FROM generate_series(1, 30000) i",
    );
    await gate.reached();
    const before = await trail.watermark();
    worker.signal("SIGTERM");
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(await trail.count()).toBe(0);
    await gate.abandon();
    expect(await trail.watermark()).toEqual(before);
    await trail.streaming();
    await trail.reached(30_000);
  });

  test("SIGTERM while the destination is locked ends with exit code 0 before the lock does", async () => {
    await using trail = await create();
    const worker = await trail.streaming();
    const locker = await destination.client(trail.database);
    await locker.query("BEGIN; LOCK TABLE public.changes");
    await trail.source.query("INSERT INTO item VALUES (1)");
    await eventually("the worker waits for the lock", async () => {
      const { waits } = await trail.destination.one<{ waits: boolean }>(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'public.changes'::regclass AND NOT granted) AS waits",
      );
      return waits;
    });
    worker.signal("SIGTERM");
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await locker.query("ROLLBACK");
    await locker.end();
    await trail.streaming();
    await trail.reached(1);
  });
});

/** What a worker said of failures, apart from waiting for its turn. */
function failures({ lines }: WorkerProcess): string[] {
  return lines
    .filter(({ error, msg }) => error && !msg.includes(SLOT_IN_USE))
    .map(({ msg }) => msg);
}
