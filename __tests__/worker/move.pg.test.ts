/**
 * A trail that moves to another server: drained, adopted, gone on with, in
 * one `changes`, across two major upgrades by a copy of the rows.
 */
import { Cluster } from "../../scripts/cluster";
import type { PostgresMajor } from "../../scripts/postgres-major";
import { runCommand } from "../support/command";
import { Trail } from "../support/trail";
import { workerEnvironment } from "../support/worker-process";

const ITEMS = "CREATE TABLE item (id int PRIMARY KEY);";

let destination: Cluster;
beforeAll(async () => {
  destination = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => destination?.[Symbol.asyncDispose]());

const start = (major: PostgresMajor) =>
  Cluster.start({ major, settings: { fsync: "off" } });

const environment = (trail: Trail, server: Cluster) =>
  workerEnvironment(
    server,
    trail.database,
    { cluster: destination, database: trail.database },
    trail.environment,
  );

const reach = (server: Cluster) => ({
  DB_PORT: String(server.port),
  DB_PASSWORD: server.password,
});

async function insert(server: Cluster, trail: Trail, ids: number[]) {
  const client = await server.client(trail.database);
  for (const id of ids) await client.query(`INSERT INTO item VALUES (${id})`);
  await client.end();
}

/** Stores these items by a worker that runs for as long. */
async function store(trail: Trail, server: Cluster, ids: number[]) {
  const worker = await trail.streaming(reach(server));
  const before = await trail.count();
  await insert(server, trail, ids);
  await trail.reached(before + ids.length);
  worker.signal("SIGTERM");
  expect(await worker.exited).toMatchObject({ code: 0 });
}

/** What a dump and restore does: schema and rows, no slot, no publication. */
async function copyTo(next: Cluster, from: Cluster, trail: Trail) {
  await next.createDatabase(trail.database);
  const [there, here] = await Promise.all([
    next.client(trail.database),
    from.client(trail.database),
  ]);
  await there.query(ITEMS);
  const { rows } = await here.query("SELECT id FROM item ORDER BY id");
  await there.query("INSERT INTO item SELECT unnest($1::int[])", [
    rows.map(({ id }) => id),
  ]);
  await Promise.all([there.end(), here.end()]);
}

const stored = async (trail: Trail) =>
  (await trail.changes()).map(({ primaryKey }) => Number(primaryKey));

async function gaps(trail: Trail): Promise<unknown[]> {
  return trail.destination.query("SELECT reason FROM public._bemi_gaps");
}

test("a trail goes on across 16, 17 and 18 without a gap, and its ids order it as a whole", async () => {
  await using first = await start(16);
  await using second = await start(17);
  await using third = await start(18);
  let server = first;
  await using trail = await Trail.create({
    source: first,
    destination,
    tables: ITEMS,
  });
  // Its log is far ahead of the next server's, whose positions begin anew.
  await trail.source.query(
    "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 20000000))",
  );
  await store(trail, server, [1, 2, 3]);
  const written = [1, 2, 3];
  for (const next of [second, third]) {
    const id = written.length + 1;
    // Committed while the worker is down: drain reads it.
    await insert(server, trail, [id]);
    written.push(id);
    const env = environment(trail, server);
    const drained = await runCommand(env, "drain", "--drop-slot");
    expect(drained).toMatchObject({
      code: 0,
      last: { remainingTransactions: 0, slotDropped: true },
    });
    expect(await stored(trail)).toEqual(written);
    const left = await server.client();
    const slots = await left.query("SELECT FROM pg_replication_slots");
    expect(slots.rowCount).toBe(0);
    await left.end();

    await copyTo(next, server, trail);
    server = next;
    const there = environment(trail, next);
    expect(await runCommand(there)).toMatchObject({
      code: 3,
      last: { msg: expect.stringContaining("different source") },
    });
    expect(await runCommand(there, "adopt")).toMatchObject({
      code: 3,
      last: { remedy: expect.stringContaining("adopt --yes") },
    });
    expect((await runCommand(there, "adopt", "--yes")).code).toBe(0);
    expect(await runCommand(there, "adopt", "--yes")).toMatchObject({
      code: 0,
      last: { msg: expect.stringContaining("nothing to adopt") },
    });
    await store(trail, next, [id + 1, id + 2]);
    written.push(id + 1, id + 2);
  }
  expect(await stored(trail)).toEqual(written);
  expect(new Set((await trail.changes()).map(({ id }) => id)).size).toBe(
    written.length,
  );
  const client = await server.client(trail.database);
  const { rows } = await client.query("SELECT id FROM item ORDER BY id");
  expect(rows.map(({ id }) => id)).toEqual(written);
  await client.end();
  expect(await gaps(trail)).toEqual([]);
}, 180_000);

test("drain refuses while a worker runs and while writes go on; what was not drained is adopted with a gap", async () => {
  await using server = await Cluster.start({ settings: { fsync: "off" } });
  await using trail = await Trail.create({
    source: server,
    destination,
    tables: ITEMS,
  });
  const env = environment(trail, server);
  const worker = await trail.streaming();
  expect(await runCommand(env, "drain")).toMatchObject({
    code: 3,
    last: { remedy: expect.stringContaining("stop the worker") },
  });
  worker.signal("SIGTERM");
  await worker.exited;

  const writer = await server.client(trail.database);
  // By the server itself: a writer in here would rest while this is busy.
  const writing = writer
    .query(`
      DO $$
      BEGIN
        FOR id IN 1..100000 LOOP
          INSERT INTO item VALUES (id);
          COMMIT;
          PERFORM pg_sleep(0.001);
        END LOOP;
      END $$`)
    .catch(() => undefined);
  const refused = await runCommand(env, "drain", "--drop-slot");
  await trail.source.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep\\(0.001\\)' AND pid <> pg_backend_pid()",
  );
  await writing;
  await writer.end().catch(() => undefined);
  expect(refused).toMatchObject({
    code: 3,
    last: { msg: expect.stringContaining("writes go on") },
  });
  expect((await trail.slotState()).active).toBe(false);

  await using other = await Cluster.start({ settings: { fsync: "off" } });
  await copyTo(other, server, trail);
  const there = environment(trail, other);
  expect(await runCommand(there, "adopt", "--yes")).toMatchObject({
    code: 3,
    last: { msg: expect.stringContaining("was not drained") },
  });
  const reason = ["--reason", "moved in a hurry", "--yes"];
  expect((await runCommand(there, "adopt", ...reason)).code).toBe(0);
  expect(await gaps(trail)).toEqual([{ reason: "moved in a hurry" }]);
  await store(trail, other, [100_001]);
  expect((await stored(trail)).at(-1)).toBe(100_001);
}, 120_000);
