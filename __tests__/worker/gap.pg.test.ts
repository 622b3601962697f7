import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: { max_slot_wal_keep_size: "1MB" },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

let count = 0;

/** A tracked table with one change in its trail, and the worker stopped. */
async function stoppedTrail(): Promise<{
  db: Client;
  env: Record<string, string>;
  slot: string;
}> {
  const name = `gap_${++count}`;
  await cluster.createDatabase(name);
  const db = await cluster.client(name);
  await db.query("CREATE TABLE note (id int PRIMARY KEY)");
  const env = workerEnvironment(cluster, name, undefined, { SLOT_NAME: name });
  await using worker = WorkerProcess.start(env);
  await worker.log("streaming");
  await db.query("INSERT INTO note VALUES (1)");
  await eventually("the first change", async () =>
    (await trail(db)).includes(1),
  );
  worker.signal("SIGTERM");
  await worker.exited;
  return { db, env, slot: name };
}

async function trail(db: Client): Promise<number[]> {
  const { rows } = await db.query(
    "SELECT (after->>'id')::int AS id FROM changes ORDER BY changes.id",
  );
  return rows.map(({ id }) => id);
}

async function run(env: Record<string, string>, ...args: string[]) {
  await using command = WorkerProcess.start(env, { args });
  const { code } = await command.exited;
  return { code, last: command.lines.at(-1) };
}

const advance = (slot: string) =>
  `SELECT pg_replication_slot_advance('${slot}', pg_current_wal_lsn())`;
const SLOT_POSITION =
  "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name =";
const drop = (slot: string) => `SELECT pg_drop_replication_slot('${slot}')`;

test.each([
  [
    "was moved",
    async (db: Client, slot: string) => {
      await db.query(advance(slot));
    },
  ],
  [
    "was dropped",
    async (db: Client, slot: string) => {
      await db.query(drop(slot));
    },
  ],
  [
    "was made anew",
    async (db: Client, slot: string) => {
      await db.query(drop(slot));
      await db.query(
        `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`,
      );
    },
  ],
  [
    "was lost",
    async (db: Client) => {
      for (let segment = 0; segment < 4; segment++) {
        await db.query(
          "SELECT pg_logical_emit_message(false, 'filler', 'x'), pg_switch_wal()",
        );
      }
      await db.query("CHECKPOINT");
    },
  ],
])(
  "a slot that %s stops the worker until the gap is recorded",
  async (_how, harm) => {
    const { db, env, slot } = await stoppedTrail();
    try {
      await db.query("INSERT INTO note VALUES (2)");
      await harm(db, slot);
      const before = (await db.query("SELECT * FROM _bemi_watermarks")).rows;

      const refused = await run(env);
      expect(refused).toMatchObject({
        code: 3,
        last: { level: "fatal", remedy: expect.stringContaining("gap") },
      });
      const asked = await run(env, "gap");
      expect(asked).toMatchObject({
        code: 3,
        last: { remedy: expect.stringContaining("--yes") },
      });
      expect((await db.query("SELECT * FROM _bemi_watermarks")).rows).toEqual(
        before,
      );
      expect((await db.query("SELECT * FROM _bemi_gaps")).rows).toEqual([]);

      const recorded = await run(
        env,
        "gap",
        "--reason",
        "a test moved it",
        "--yes",
      );
      expect(recorded.code).toBe(0);
      const gaps = await db.query(
        "SELECT slot_name, from_lsn < to_lsn AS forward, reason FROM _bemi_gaps",
      );
      expect(gaps.rows).toEqual([
        { slot_name: slot, forward: true, reason: "a test moved it" },
      ]);

      await using worker = WorkerProcess.start(env);
      await worker.log("streaming");
      await db.query("INSERT INTO note VALUES (3)");
      await eventually("the change after the gap", async () =>
        (await trail(db)).includes(3),
      );
      expect(await trail(db)).toEqual([1, 3]);
    } finally {
      await db.end();
    }
  },
);

test("a slot that has everything has no gap to record", async () => {
  const { db, env } = await stoppedTrail();
  expect((await run(env, "gap", "--reason", "none", "--yes")).code).toBe(0);
  expect((await db.query("SELECT * FROM _bemi_gaps")).rows).toEqual([]);
  await db.end();
});

test("where no trail has begun, gap says so and makes nothing", async () => {
  const name = `gap_${++count}`;
  await cluster.createDatabase(name);
  const env = workerEnvironment(cluster, name, undefined, { SLOT_NAME: name });
  const { code, last } = await run(env, "gap", "--reason", "none", "--yes");
  expect(code).toBe(2);
  expect(last?.msg).toContain("no trail of slot");
  const db = await cluster.client(name);
  const { rows } = await db.query(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
  );
  expect(rows).toEqual([]);
  await db.end();
});

test("gap --to leaves out what was committed before that position, and says so in the record", async () => {
  const { db, env, slot } = await stoppedTrail();
  try {
    await db.query("INSERT INTO note VALUES (2), (3)");
    const { rows } = await db.query("SELECT pg_current_wal_lsn()::text AS lsn");
    const to: string = rows[0].lsn;
    await db.query("INSERT INTO note VALUES (4)");
    const state = async () => [
      (await db.query("SELECT * FROM _bemi_watermarks")).rows,
      (await db.query("SELECT * FROM _bemi_gaps")).rows,
      (await db.query(`${SLOT_POSITION} '${slot}'`)).rows,
    ];
    const before = await state();

    const asked = await run(env, "gap", "--to", to);
    expect(asked).toMatchObject({
      code: 3,
      last: {
        msg: expect.stringMatching(/at most 2 transactions with 4 changes$/),
        remedy: expect.stringContaining(`gap --to ${to} --reason`),
      },
    });
    for (const [wrong, sentence] of [
      ["0/1", "there is nothing to leave out"],
      ["FFFF/0", "is not written yet"],
      ["soon", "a position as PostgreSQL writes it"],
    ] as const) {
      const { code, last } = await run(
        env,
        "gap",
        "--to",
        wrong,
        "--reason",
        "none",
        "--yes",
      );
      expect({ code, msg: last?.msg }).toEqual({
        code: 2,
        msg: expect.stringContaining(sentence),
      });
    }
    expect(await state()).toEqual(before);

    const skipped = await run(
      env,
      "gap",
      "--to",
      to,
      "--reason",
      "cannot be decoded",
      "--yes",
    );
    expect(skipped.code).toBe(0);
    const gaps = await db.query("SELECT to_lsn, reason FROM _bemi_gaps");
    expect(gaps.rows).toEqual([{ to_lsn: to, reason: "cannot be decoded" }]);

    await using worker = WorkerProcess.start(env);
    await worker.log("streaming");
    await eventually("the change after the gap", async () =>
      (await trail(db)).includes(4),
    );
    expect(await trail(db)).toEqual([1, 4]);
    await db.query("INSERT INTO note VALUES (5)");
    const now = await db.query("SELECT pg_current_wal_lsn()::text AS lsn");
    const reason = ["--reason", "none", "--yes"];
    const end = now.rows[0].lsn;
    // Whichever it finds first: the worker has it all, or holds the slot.
    const { code } = await run(env, "gap", "--to", end, ...reason);
    expect([2, 3]).toContain(code);
  } finally {
    await db.end();
  }
});

test("gap --to gets past changes that the source cannot decode, without a new slot", async () => {
  const { db, env } = await stoppedTrail();
  try {
    await db.query("DROP PUBLICATION bemi");
    await db.query("INSERT INTO note VALUES (2)");
    await db.query("CREATE PUBLICATION bemi FOR ALL TABLES");
    const { rows } = await db.query("SELECT pg_current_wal_lsn()::text AS lsn");
    await db.query("INSERT INTO note VALUES (3)");
    expect((await run(env)).code).toBe(3);
    const reason = ["--reason", "publication dropped", "--yes"];
    const skipped = await run(env, "gap", "--to", rows[0].lsn, ...reason);
    expect(skipped.code).toBe(0);
    await using worker = WorkerProcess.start(env);
    await worker.log("streaming");
    await eventually("the change after the gap", async () =>
      (await trail(db)).includes(3),
    );
    expect(await trail(db)).toEqual([1, 3]);
  } finally {
    await db.end();
  }
});
