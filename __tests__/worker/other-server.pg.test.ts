/**
 * Another server behind the source's name: only one that has everything
 * that the trail has, and the slot, is gone on with.
 */
import { Cluster } from "../../scripts/cluster";
import {
  caughtUp,
  promote,
  promoted,
  startClone,
  startStandby,
} from "../support/standby";
import { Trail } from "../support/trail";

const ITEMS = "CREATE TABLE item (id int PRIMARY KEY);";

describe("another server behind the same name", () => {
  let source: Cluster;
  let destination: Cluster;
  beforeAll(async () => {
    [source, destination] = await Promise.all([
      Cluster.start({ settings: { fsync: "off" } }),
      Cluster.start({ settings: { fsync: "off" } }),
    ]);
  });
  afterAll(async () => {
    await source?.[Symbol.asyncDispose]();
    await destination?.[Symbol.asyncDispose]();
  });

  const create = () => Trail.create({ source, destination, tables: ITEMS });

  /** Stores these items, and stops. */
  async function store(trail: Trail, ...ids: number[]): Promise<void> {
    const worker = await trail.streaming();
    const before = await trail.count();
    for (const id of ids) await insert(source, trail, id);
    await trail.reached(before + ids.length);
    worker.signal("SIGTERM");
    await worker.exited;
  }

  const to = (server: Cluster) => ({
    DB_PORT: String(server.port),
    DB_PASSWORD: server.password,
  });

  /** The worker's last words, and that it wrote nothing. */
  async function refusedBy(trail: Trail, server: Cluster): Promise<string> {
    const before = [await trail.watermark(), await trail.count()];
    const worker = trail.start(to(server));
    // What goes on instead of refusing is ended, or nobody would see it.
    const patience = setTimeout(() => worker.signal("SIGKILL"), 30_000);
    expect(await worker.exited).toEqual({ code: 3, signal: null });
    clearTimeout(patience);
    expect([await trail.watermark(), await trail.count()]).toEqual(before);
    return String(worker.lines.at(-1)?.msg);
  }

  test("a second initdb is refused", async () => {
    await using trail = await create();
    await store(trail, 1);
    await using other = await Cluster.start({ settings: { fsync: "off" } });
    await other.createDatabase(trail.database);
    expect(await refusedBy(trail, other)).toContain("different source");
  });

  test("a copy recovered to a point in time before the trail's last change is refused as divergent", async () => {
    await using trail = await create();
    await store(trail, 1);
    await using copy = await startStandby(source, {
      settings: {
        recovery_target_name: trail.database,
        recovery_target_action: "promote",
      },
    });
    await trail.source.query("SELECT 1").catch(() => undefined);
    await store(trail, 2);
    await trail.source.query("SELECT pg_create_restore_point($1)", [
      trail.database,
    ]);
    await store(trail, 3);
    await promoted(copy);
    await insert(copy, trail, 30);
    expect(await refusedBy(trail, copy)).toMatch(
      /^divergent: the trail has a commit at .* this server left timeline 1 at /,
    );
  });

  test("a promoted copy that has everything, and the slot, is gone on with; the former primary is not", async () => {
    await using trail = await create();
    await store(trail, 1);
    await using copy = await startStandby(source);
    await trail.source.query("SELECT 1").catch(() => undefined);
    await store(trail, 2);
    await caughtUp(copy, source);
    await promote(copy);
    await insert(copy, trail, 3);
    const worker = await trail.streaming(to(copy));
    expect(worker.lines).toContainEqual(
      expect.objectContaining({ level: "warn", from: 1, to: 2 }),
    );
    await trail.reached(3);
    await worker.kill();
    await insert(source, trail, 30);
    expect(await refusedBy(trail, source)).toContain(
      "this server is still on 1",
    );
    await trail.streaming(to(copy));
    await insert(copy, trail, 4);
    await trail.reached(4);
    expect((await trail.changes()).map(({ primaryKey }) => primaryKey)).toEqual(
      ["1", "2", "3", "4"],
    );
  });

  test("a promoted copy without the slot is refused", async () => {
    await using trail = await create();
    await store(trail, 1);
    await using copy = await startStandby(source);
    await caughtUp(copy, source);
    await promote(copy);
    const client = await copy.client(trail.database);
    await client.query("SELECT pg_drop_replication_slot($1)", [trail.slot]);
    await client.end();
    expect(await refusedBy(trail, copy)).toContain(`"${trail.slot}" is gone`);
  });

  test("a clone of the disk is refused by the end of its log, and when it has written on, by the transaction it does not have", async () => {
    await using trail = await create();
    await store(trail, 1);
    await using clone = await startClone(source);
    await trail.source.query("SELECT 1").catch(() => undefined);
    await insert(clone, trail, 20);
    // More log than the clone's first words about itself.
    await trail.source.query(
      "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))",
    );
    await store(trail, 2);
    expect(await refusedBy(trail, clone)).toMatch(
      /^divergent: .* this server's log ends at /,
    );
    const client = await clone.client(trail.database);
    await client.query(
      "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 2000000))",
    );
    await client.end();
    await insert(clone, trail, 21);
    expect(await refusedBy(trail, clone)).toMatch(
      /^divergent: the trail's last transaction, .* is not in this server's log/,
    );
    const adopted = trail.start(to(clone), {
      args: ["adopt", "--reason", "the server was lost", "--yes"],
    });
    expect(await adopted.exited).toMatchObject({ code: 0 });
    await trail.streaming(to(clone));
    await insert(clone, trail, 22);
    await trail.reached(3);
    expect((await trail.changes()).map(({ primaryKey }) => primaryKey)).toEqual(
      ["1", "2", "22"],
    );
  });
});

async function insert(
  server: Cluster,
  { database }: Trail,
  id: number,
): Promise<void> {
  const client = await server.client(database);
  await client.query(`INSERT INTO item VALUES (${id})`);
  await client.end();
}
