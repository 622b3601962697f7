/**
 * What a position means: order, identity, and when a slot no
 * longer is where the destination stopped.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { readChangeId } from "../../scripts/soak/comparison";
import { Gate } from "../support/gate";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { Trail } from "../support/trail";

const ITEMS = "CREATE TABLE item (id int PRIMARY KEY, text text);";
/** Small enough that a transaction of some thousand rows goes in parts. */
const IN_PARTS = { BATCH_MAX_BYTES: "65536" };

describe("positions", () => {
  let source: Cluster;
  let destination: Cluster;
  beforeAll(async () => {
    const settings = { fsync: "off" };
    [source, destination] = await Promise.all([
      Cluster.start({ settings }),
      Cluster.start({ settings }),
    ]);
  });
  afterAll(async () => {
    await source?.[Symbol.asyncDispose]();
    await destination?.[Symbol.asyncDispose]();
  });

  const create = (tables = ITEMS, env?: Record<string, string>) =>
    Trail.create({ source, destination, tables, ...(env ? { env } : {}) });

  test("a transaction that wrote first and committed last comes last, also after a kill in between", async () => {
    await using trail = await create();
    const worker = await trail.streaming();
    const early = await trail.client();
    await early.query("BEGIN; INSERT INTO item VALUES (1, 'early')");
    await trail.source.query("INSERT INTO item VALUES (2, 'late')");
    await trail.reached(1);
    await worker.kill();
    await early.query("INSERT INTO item VALUES (3, 'early'); COMMIT");
    await trail.streaming();
    await trail.reached(3);
    const changes = await trail.changes();
    expect(changes.map(({ primaryKey }) => primaryKey)).toEqual([
      "2",
      "1",
      "3",
    ]);
    const [late, first, last] = changes.map(({ position }) => position);
    expect(first).toBeLessThan(late ?? 0n);
    expect(last).toBeGreaterThan(late ?? 0n);
  });

  test("all 10,000 rows of a COPY are stored once, though they share positions and the worker is killed twice on the way", async () => {
    await using trail = await create(ITEMS, IN_PARTS);
    const first = await trail.streaming();
    await using early = await Gate.close(trail, "NEW.primary_key = '3000'");
    await using late = await Gate.close(trail, "NEW.primary_key = '8000'");
    await trail.source.query(
      "COPY item (id, text) FROM PROGRAM 'seq -f \"%.0f\tx\" 1 10000'",
    );
    await early.reached();
    await first.kill();
    await early.abandon();
    const second = await trail.streaming();
    await late.reached();
    await second.kill();
    await late.abandon();
    expect(await trail.count()).toBe(0);
    await trail.streaming();
    await trail.reached(10_000);
    const changes = await trail.changes();
    expect(changes.map(({ primaryKey }) => primaryKey)).toEqual(
      Array.from({ length: 10_000 }, (_, index) => String(index + 1)),
    );
    const positions = new Set(changes.map(({ position }) => position));
    expect(positions.size).toBeLessThan(1_000);
  });

  test("a change keeps its id when the worker comes back with other tables in the middle of its transaction", async () => {
    await using trail = await create(
      "CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE two (id int PRIMARY KEY);",
      IN_PARTS,
    );
    const worker = await trail.streaming();
    await using gate = await Gate.close(
      trail,
      `NEW."table" = 'one' AND NEW.primary_key = '1500'`,
    );
    await trail.source.query(`DO $$ BEGIN
      FOR i IN 1..2500 LOOP
        IF i % 500 = 1 THEN
          PERFORM pg_logical_emit_message(true, '_bemi', format('{"from": %s}', i));
        END IF;
        INSERT INTO one VALUES (i);
        INSERT INTO two VALUES (i);
      END LOOP; END $$`);
    await gate.reached();
    await worker.kill();
    await gate.abandon();
    await trail.streaming({ TRACK_TABLES: "public.two" });
    await trail.reached(2_500);
    const seen = (await trail.changes()).map(({ id, ...change }) => ({
      key: Number(change.primaryKey),
      table: change.table,
      context: change.context,
      ordinal: readChangeId(id).ordinal,
    }));
    expect(seen).toEqual(
      Array.from({ length: 2_500 }, (_, index) => ({
        key: index + 1,
        table: "two",
        context: { from: index - (index % 500) + 1 },
        ordinal: 2 * index + 2,
      })),
    );
  });

  const moves = [
    [
      "advanced by somebody else",
      "gap: slot",
      "SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())",
    ],
    [
      "dropped and made anew",
      "gap: slot",
      "SELECT pg_drop_replication_slot($1), pg_create_logical_replication_slot($1, 'pgoutput')",
    ],
    ["dropped", "is gone", "SELECT pg_drop_replication_slot($1)"],
  ] as const;
  test.each(moves)(
    "a slot that was %s stops the worker with exit code 3 and a remedy, the watermark unmoved",
    async (_, words, move) => {
      await using trail = await create();
      const worker = await trail.streaming();
      await trail.source.query("INSERT INTO item VALUES (1)");
      await trail.reached(1);
      await worker.kill();
      await trail.released();
      const before = await trail.watermark();
      await trail.source.query("INSERT INTO item VALUES (2)");
      await trail.source.query("INSERT INTO item VALUES (3)");
      await trail.source.query(move, [trail.slot]);
      const refused = trail.start();
      expect(await refused.exited).toEqual({ code: 3, signal: null });
      const last = refused.lines.at(-1);
      expect(last?.msg).toContain(words);
      expect(last).toMatchObject({
        exitCode: 3,
        remedy: expect.stringContaining("`gap`"),
      });
      expect(await trail.watermark()).toEqual(before);
      await trail.reached(1);
    },
  );
});

const RESETWAL = "/usr/lib/postgresql/15/bin/pg_resetwal";
const BOUNDARY = 2n ** 32n;
// In CI a missing program is a failure and not a silence.
const canReset = existsSync(RESETWAL) || process.env.CI !== undefined;
(canReset ? test : test.skip)(
  `the trail goes on past 4 GB of log, where the high half of positions changes (needs ${RESETWAL})`,
  async () => {
    const settings = { fsync: "off" };
    await using source = await Cluster.start({ major: 15, settings });
    await source.stop();
    const { uid, gid } = await stat(source.dataFolder);
    await promisify(execFile)(
      RESETWAL,
      ["-l", "0000000100000000000000FE", "-D", source.dataFolder],
      { uid, gid, cwd: source.dataFolder },
    );
    await source.startAgain();
    await using trail = await Trail.create({
      source,
      destination: source,
      tables: ledgerTables("far"),
    });
    const worker = await trail.streaming();
    await using load = startLoad(trail, ["far"], { seed: 6 });
    await load.more(10);
    const start = await trail.walPosition();
    expect(start).toBeLessThan(BOUNDARY);
    const elsewhere = await source.client();
    while ((await trail.walPosition()) < BOUNDARY) {
      await elsewhere.query(
        "SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000))",
      );
    }
    await load.more(10);
    await eventually(
      "the watermark is past the boundary",
      async () => (await trail.watermark()).commitLsn > BOUNDARY,
    );
    await worker.kill();
    await trail.streaming();
    await load.more(10);
    await settle(trail, await load.finish());
    await elsewhere.end();
  },
);
