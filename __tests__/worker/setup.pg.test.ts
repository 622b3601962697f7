import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { OperatorError } from "../../worker/errors";
import { setUpSource } from "../../worker/source/setup";
import { testedMajors } from "../support/majors";
import {
  createSource,
  identities,
  setUp,
  setUpOptions,
  silent,
} from "../support/source";

describe.each(testedMajors(14, 17, 18))("set-up of PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("makes what is missing, the slot last, and a second run does nothing", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query(`
      CREATE TABLE todo (id int PRIMARY KEY);
      CREATE TABLE "Odd ""name" (x text)`);
    const first = await setUp(source);
    expect(first.created).toEqual([
      'the replica identity of public.Odd "name',
      "the replica identity of public.todo",
      "the event trigger for new tables",
      "the event triggers that mark DDL",
      "the publication bemi",
      `the replication slot ${source.database}`,
    ]);
    expect(first.slotLsn).toBeGreaterThan(0n);
    expect(await identities(client, "todo", '"Odd ""name"')).toEqual([
      "f",
      "f",
    ]);
    expect(await setUp(source)).toEqual({ created: [], slotLsn: undefined });
  });

  test("never fails a write on tables without a primary key, and the slot can read all of them", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    const tables = ["one", "two", "three"];
    for (const table of tables) {
      await client.query(
        `CREATE TABLE ${table} (a int, b text); INSERT INTO ${table} SELECT i, 'x' FROM generate_series(1, 50) i`,
      );
    }
    const errors: unknown[] = [];
    let running = true;
    let writes = 0;
    const load = tables.map(async (table) => {
      const session = await source.session();
      for (let i = 0; running; i++) {
        try {
          await session.query(
            `UPDATE ${table} SET b = b || '.' WHERE a = ${i % 50}`,
          );
          await session.query(`DELETE FROM ${table} WHERE a = ${i % 50}`);
          await session.query(`INSERT INTO ${table} VALUES (${i % 50}, 'x')`);
          writes += 3;
        } catch (error) {
          errors.push(error);
        }
      }
    });
    await setUp(source);
    const during = writes;
    while (writes < during + 60 && errors.length === 0) await sleep(10);
    running = false;
    await Promise.all(load);
    expect(errors).toEqual([]);
    // Up to 17 this fails if any change is older than the publication.
    const { rows } = await client.query(
      "SELECT count(*)::int AS messages FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'bemi')",
      [source.database],
    );
    expect(rows[0].messages).toBeGreaterThan(60);
  });

  test("works on a replication connection, which knows no parameters", async () => {
    await using source = await createSource(cluster);
    await source.client.query("CREATE TABLE todo (id int)");
    const replication = { replication: "database", application_name: "bemi" };
    const session = await source.session(replication);
    const { created } = await setUpSource(
      session,
      setUpOptions(source),
      silent,
    );
    expect(created).toHaveLength(5);
  });

  test("covers a table that an older transaction commits during the set-up", async () => {
    await using source = await createSource(cluster);
    const older = await source.session();
    await older.query("BEGIN");
    await older.query("CREATE TABLE late AS SELECT 1 AS a");
    const done = setUp(source);
    await sleep(1_000);
    await older.query("COMMIT");
    // Also while it has no identity yet, its writes must not fail.
    for (let i = 0; i < 100; i++) await older.query("UPDATE late SET a = 1");
    await done;
    await older.query("UPDATE late SET a = 2");
    expect(await identities(older, "late")).toEqual(["f"]);
  });

  test("breaks no write on a table that is covered and not tracked, and whose key can be deferred", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query(
      "CREATE TABLE sorted (place int PRIMARY KEY DEFERRABLE); INSERT INTO sorted VALUES (1)",
    );
    await setUp(source, "public.*,!public.sorted");
    await client.query("UPDATE sorted SET place = 2; DELETE FROM sorted");
    expect(await identities(client, "sorted")).toEqual(["f"]);
  });

  test("leaves tables alone that inherit from one that is named", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query(`
      CREATE TABLE todo (id int PRIMARY KEY);
      CREATE TABLE heir () INHERITS (todo);
      INSERT INTO heir VALUES (1)`);
    await setUp(source, "public.todo");
    await client.query("UPDATE todo SET id = 2; DELETE FROM heir");
    const { rows } = await client.query(
      "SELECT tablename FROM pg_publication_tables",
    );
    expect(rows).toEqual([{ tablename: "todo" }]);
    expect(await identities(client, "todo", "heir")).toEqual(["f", "d"]);
  });

  test("names literal tables one by one, with the partitions of a partitioned one", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    await client.query(`
      CREATE TABLE todo (id int PRIMARY KEY);
      CREATE TABLE other (id int);
      CREATE TABLE parted (id int) PARTITION BY LIST (id);
      CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)`);
    await setUp(source, "public.todo,public.parted");
    const { rows } = await client.query(
      "SELECT tablename FROM pg_publication_tables ORDER BY 1",
    );
    expect(rows.map((row) => row.tablename)).toEqual(["parted_1", "todo"]);
    await client.query(
      "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)",
    );
    await client.query("CREATE TABLE another (id int)");
    expect(
      await identities(
        client,
        "todo",
        "parted_1",
        "parted_2",
        "other",
        "another",
      ),
    ).toEqual(["f", "f", "f", "d", "d"]);
  });

  test("leaves the worker's own tables alone where they share the database", async () => {
    await using source = await createSource(cluster);
    const { client } = source;
    const changes =
      "CREATE TABLE changes (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)";
    await client.query(
      `${changes}; CREATE TABLE changes_1 PARTITION OF changes DEFAULT; CREATE TABLE _bemi_gaps (id int PRIMARY KEY)`,
    );
    const options = { ...setUpOptions(source), destinationIsSource: true };
    await setUpSource(client, options, silent);
    expect(await identities(client, "changes_1", "_bemi_gaps")).toEqual([
      "d",
      "d",
    ]);
    await client.query("DROP TABLE changes; DROP TABLE _bemi_gaps");
    await client.query(`${changes}; CREATE TABLE _bemi_gaps (id int PRIMARY KEY);
      CREATE TABLE changes_1 PARTITION OF changes DEFAULT`);
    expect(await identities(client, "changes_1", "_bemi_gaps")).toEqual([
      "d",
      "d",
    ]);
  });
});

describe("set-up on a busy source", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("a long SELECT makes no query of the application wait more than 2.5 s", async () => {
    await using source = await createSource(cluster);
    await source.client.query(
      "CREATE TABLE busy (id int); INSERT INTO busy VALUES (1)",
    );
    const reader = await source.session();
    await reader.query("BEGIN; SELECT * FROM busy");
    const application = await source.session();
    let slowestMs = 0;
    let running = true;
    const load = (async () => {
      while (running) {
        const start = performance.now();
        await application.query("SELECT * FROM busy");
        slowestMs = Math.max(slowestMs, performance.now() - start);
        await sleep(20);
      }
    })();
    const done = setUp(source);
    await sleep(6_000);
    await reader.query("COMMIT");
    await done;
    running = false;
    await load;
    expect(slowestMs).toBeGreaterThan(500);
    expect(slowestMs).toBeLessThan(2_500);
    expect(await identities(source.client, "busy")).toEqual(["f"]);
  });

  test("names the table and who holds it when its lock cannot be had", async () => {
    await using source = await createSource(cluster);
    await source.client.query("CREATE TABLE held (id int)");
    const reader = await source.session({ application_name: "report" });
    await reader.query("BEGIN; SELECT * FROM held");
    const { rows } = await reader.query("SELECT pg_backend_pid() AS pid");
    const failure = await setUp(source).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OperatorError);
    expect(String(failure)).toContain("public.held");
    expect(String(failure)).toContain(`pid ${rows[0].pid} (postgres, "report"`);
    const { rows: publications } = await source.client.query(
      "SELECT FROM pg_publication",
    );
    expect(publications).toEqual([]);
  });

  test("names the open transaction that the slot waits for, and leaves no slot", async () => {
    await using source = await createSource(cluster);
    await source.client.query("CREATE TABLE todo (id int)");
    await setUp(source);
    await source.client.query("SELECT pg_drop_replication_slot($1)", [
      source.database,
    ]);
    const writer = await source.session();
    await writer.query("BEGIN; INSERT INTO todo VALUES (1)");
    const { rows } = await writer.query("SELECT pg_backend_pid() AS pid");
    const failure = await setUp(source).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OperatorError);
    expect(String(failure)).toContain(`pid ${rows[0].pid} (`);
    const slots = await source.client.query(
      "SELECT FROM pg_replication_slots WHERE slot_name = $1",
      [source.database],
    );
    expect(slots.rows).toEqual([]);
  });
});
