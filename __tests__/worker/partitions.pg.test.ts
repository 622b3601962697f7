/** Partitioned tables: each partition is a table of its own in the trail. */
import { Cluster } from "../../scripts/cluster";
import { identities } from "../support/source";
import {
  type ChangeRow,
  identitySql,
  TrackedDatabase,
} from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

function brief({ table, operation, primaryKey, before, after }: ChangeRow) {
  return [table, operation, primaryKey, JSON.parse(before), JSON.parse(after)];
}

test("partitions made, attached and detached at any time are tracked under their own names, with whole old rows and their own order of columns", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE p (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
      CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a');
      CREATE TABLE p_b (gone int, note text, region text NOT NULL, id int NOT NULL);
      ALTER TABLE p_b DROP gone;
      ALTER TABLE p ATTACH PARTITION p_b FOR VALUES IN ('b')`,
  });
  await tracked.transactions(
    "INSERT INTO p VALUES (1, 'a', 'x'), (2, 'b', NULL)",
    "UPDATE p SET note = 'y'",
    // Across partitions.
    `BEGIN; SELECT pg_logical_emit_message(true, '_bemi', '{"user": 1}'); UPDATE p SET region = 'b' WHERE id = 1; COMMIT`,
    "CREATE TABLE p_c PARTITION OF p FOR VALUES IN ('c') PARTITION BY RANGE (id)",
    "CREATE TABLE p_c1 PARTITION OF p_c FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE p_d (note text, id int, region text, PRIMARY KEY (id, region))",
    "ALTER TABLE p ATTACH PARTITION p_d FOR VALUES IN ('d')",
    "INSERT INTO p VALUES (3, 'c', 'x'), (4, 'd', 'x')",
    "UPDATE p SET note = 'y' WHERE id > 2",
    "ALTER TABLE p DETACH PARTITION p_d",
    "UPDATE p_d SET note = 'z'",
    "TRUNCATE p_b",
  );
  // The key of a table that is gone would be a guess.
  await tracked.caughtUp();
  await tracked.transactions("DROP TABLE p_d", "DELETE FROM p WHERE id = 3");
  await tracked.caughtUp();
  const row = (id: number, region: string, note: string | null) => ({
    id,
    region,
    note,
  });
  const key = (id: number, region: string) => JSON.stringify([id, region]);
  const changes = await tracked.changes();
  expect(changes.map(brief)).toEqual([
    ["p_a", "CREATE", key(1, "a"), {}, row(1, "a", "x")],
    ["p_b", "CREATE", key(2, "b"), {}, row(2, "b", null)],
    ["p_a", "UPDATE", key(1, "a"), row(1, "a", "x"), row(1, "a", "y")],
    ["p_b", "UPDATE", key(2, "b"), row(2, "b", null), row(2, "b", "y")],
    ["p_a", "DELETE", key(1, "a"), row(1, "a", "y"), {}],
    ["p_b", "CREATE", key(1, "b"), {}, row(1, "b", "y")],
    ["p_c1", "CREATE", key(3, "c"), {}, row(3, "c", "x")],
    ["p_d", "CREATE", key(4, "d"), {}, row(4, "d", "x")],
    ["p_c1", "UPDATE", key(3, "c"), row(3, "c", "x"), row(3, "c", "y")],
    ["p_d", "UPDATE", key(4, "d"), row(4, "d", "x"), row(4, "d", "y")],
    ["p_d", "UPDATE", key(4, "d"), row(4, "d", "y"), row(4, "d", "z")],
    ["p_b", "TRUNCATE", null, {}, {}],
    ["p_c1", "DELETE", key(3, "c"), row(3, "c", "y"), {}],
  ]);
  expect(
    changes.filter(({ context }) => context !== "{}").map(({ table }) => table),
  ).toEqual(["p_a", "p_b"]);
});

test("a replica identity is each partition's own: of one without a full one, before is the key", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `
      CREATE TABLE p (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
      CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10);
      CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (10) TO (20)`,
  });
  const { client } = tracked.source;
  expect(await identities(client, "p", "p_1", "p_2")).toEqual(["d", "f", "f"]);
  await tracked.sql(identitySql("p", "FULL"));
  await tracked.sql(identitySql("p_2", "DEFAULT"));
  await tracked.transactions(
    "INSERT INTO p VALUES (1, 'x'), (11, 'x')",
    "UPDATE p SET note = 'y'",
    "DELETE FROM p",
  );
  await tracked.caughtUp();
  const olds = (await tracked.changes("operation <> 'CREATE'")).map(
    ({ table, operation, before }) => [table, operation, JSON.parse(before)],
  );
  expect(olds).toEqual([
    ["p_1", "UPDATE", { id: 1, note: "x" }],
    ["p_2", "UPDATE", {}],
    ["p_1", "DELETE", { id: 1, note: "y" }],
    ["p_2", "DELETE", { id: 11 }],
  ]);
});

test("a publication via the root is refused at a start, and what it falsifies under a running worker is unknown, never null", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    env: { IGNORE_COLUMNS: "public.p.seen" },
    schema: `
      CREATE TABLE p (id int PRIMARY KEY, note text, seen int, big text) PARTITION BY RANGE (id);
      CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10);
      CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (10) TO (20);
      ALTER TABLE p_2 ALTER big SET STORAGE EXTERNAL`,
  });
  const pad = "b".repeat(5_000);
  await tracked.sql(identitySql("p", "FULL"));
  await tracked.sql(identitySql("p_2", "DEFAULT"));
  await tracked.transactions(
    "ALTER PUBLICATION bemi SET (publish_via_partition_root = true)",
    `INSERT INTO p VALUES (1, 'x', 1, NULL), (11, 'x', 1, '${pad}')`,
    "UPDATE p SET note = 'y' WHERE id = 11",
    "UPDATE p SET id = 12, seen = 2 WHERE id = 11",
    "UPDATE p SET note = 'y' WHERE id = 1",
    "DELETE FROM p",
  );
  await tracked.caughtUp();
  expect((await tracked.changes()).map(brief)).toEqual([
    ["p", "CREATE", "1", {}, { id: 1, note: "x", seen: 1, big: null }],
    ["p", "CREATE", "11", {}, { id: 11, note: "x", seen: 1, big: pad }],
    // The Relation says FULL, and there is no old row.
    [
      "p",
      "UPDATE",
      "11",
      {},
      { id: 11, note: "y", seen: 1, big: { $unchanged: true } },
    ],
    // There is one, which says that note was null.
    [
      "p",
      "UPDATE",
      "12",
      { id: 11 },
      { id: 12, note: "y", seen: 2, big: { $unchanged: true } },
    ],
    // It may be true, but nobody can tell.
    [
      "p",
      "UPDATE",
      "1",
      { id: 1, note: "x", seen: 1 },
      { id: 1, note: "y", seen: 1, big: null },
    ],
    ["p", "DELETE", "1", { id: 1, note: "y", seen: 1 }, {}],
    ["p", "DELETE", "12", { id: 12 }, {}],
  ]);
  await tracked.stopWorker();
  const refused = tracked.launchWorker();
  expect(await refused.exited).toEqual({ code: 3, signal: null });
  expect(refused.lines.at(-1)).toMatchObject({
    msg: expect.stringContaining(
      "publish_via_partition_root on; off is needed",
    ),
    remedy: expect.stringContaining(
      'ALTER PUBLICATION "bemi" SET (publish_via_partition_root = false);',
    ),
  });
});
