/**
 * Transactions that are not simply begun and committed: rolled back
 * in parts, prepared, raced.
 */
import { Cluster } from "../../scripts/cluster";
import { Trail } from "../support/trail";

const ITEMS = "CREATE TABLE item (id int PRIMARY KEY, text text);";

describe("transactions", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({
      settings: {
        fsync: "off",
        max_prepared_transactions: 5,
        // What streams or spills does so early.
        logical_decoding_work_mem: "64kB",
      },
    });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const create = () =>
    Trail.create({ source: cluster, destination: cluster, tables: ITEMS });

  test("of 10,000 savepoints the rolled-back ones leave neither a row nor a context", async () => {
    await using trail = await create();
    await trail.streaming();
    await trail.source.query(`DO $$ BEGIN
      PERFORM pg_logical_emit_message(true, '_bemi', '{"block": 0}');
      FOR i IN 1..10000 LOOP
        BEGIN
          IF i % 100 < 2 THEN
            PERFORM pg_logical_emit_message(true, '_bemi', format('{"block": %s}', i));
          END IF;
          INSERT INTO item VALUES (i, repeat('x', 40));
          IF i % 3 = 0 OR i % 100 = 0 THEN RAISE EXCEPTION 'undone'; END IF;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP; END $$`);
    const expected: { key: string; context: object }[] = [];
    let block = 0;
    for (let id = 1; id <= 10_000; id++) {
      if (id % 3 === 0 || id % 100 === 0) continue;
      if (id % 100 === 1) block = id;
      expected.push({ key: String(id), context: { block } });
    }
    await trail.reached(expected.length);
    const changes = await trail.changes();
    expect(
      changes.map(({ primaryKey, context }) => ({ key: primaryKey, context })),
    ).toEqual(expected);
  });

  test("of inserts that race for a key one is recorded, and each update of the others", async () => {
    await using trail = await create();
    await trail.streaming();
    const racers = await Promise.all([1, 2, 3].map(() => trail.client()));
    const keys = Array.from({ length: 150 }, (_, index) => index + 1);
    await Promise.all(
      racers.map(async (racer, name) => {
        for (const key of keys) {
          await racer.query(
            "INSERT INTO item VALUES ($1, $2) ON CONFLICT DO NOTHING",
            [key, `first of ${name}`],
          );
          await racer.query(
            "INSERT INTO item VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET text = item.text || excluded.text",
            [-key, `+${name}`],
          );
        }
      }),
    );
    // 150 keys once, and 150 keys once created and twice updated.
    await trail.reached(150 + 450);
    const table = await trail.source.query(
      "SELECT id::text AS key, to_jsonb(item) AS row FROM item",
    );
    const replayed = new Map<string | null, unknown>();
    for (const {
      primaryKey,
      operation,
      before,
      after,
    } of await trail.changes()) {
      expect(operation).toBe(replayed.has(primaryKey) ? "UPDATE" : "CREATE");
      expect(before).toEqual(replayed.get(primaryKey) ?? {});
      replayed.set(primaryKey, after);
    }
    expect(replayed).toEqual(new Map(table.map(({ key, row }) => [key, row])));
  });

  test("a prepared transaction is recorded once it is committed, also across a kill, and never when rolled back", async () => {
    await using trail = await create();
    const worker = await trail.streaming();
    for (const [id, name] of [
      [1, "kept"],
      [2, "dropped"],
    ]) {
      const client = await trail.client();
      await client.query("BEGIN");
      await client.query(
        `SELECT pg_logical_emit_message(true, '_bemi', '{"prepared": "${name}"}')`,
      );
      await client.query("INSERT INTO item VALUES ($1)", [id]);
      await client.query(`PREPARE TRANSACTION '${trail.database}_${name}'`);
    }
    await trail.source.query("INSERT INTO item VALUES (3)");
    await trail.reached(1);
    await worker.kill();
    await trail.streaming();
    await trail.source.query(`COMMIT PREPARED '${trail.database}_kept'`);
    await trail.source.query(`ROLLBACK PREPARED '${trail.database}_dropped'`);
    await trail.source.query("INSERT INTO item VALUES (4)");
    await trail.reached(3);
    const seen = (await trail.changes()).map(({ primaryKey, context }) => [
      primaryKey,
      context,
    ]);
    expect(seen).toEqual([
      ["3", {}],
      ["1", { prepared: "kept" }],
      ["4", {}],
    ]);
  });
});
