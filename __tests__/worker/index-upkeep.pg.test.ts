import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { migrate } from "../../worker/destination/destination-schema";
import { mergePendingLists } from "../../worker/destination/index-upkeep";
import { Trail } from "../support/trail";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { autovacuum: "off" } });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test("what GIN put off while rows were written is merged without anybody's help", async () => {
  await using trail = await Trail.create({
    source: cluster,
    destination: cluster,
    tables: "CREATE TABLE item (id int PRIMARY KEY, text text)",
  });
  await trail.source.query("CREATE EXTENSION pgstattuple");
  const pendingRows = async (): Promise<number[]> => {
    const rows = await trail.destination.query<{ n: number }>(`
      SELECT (pgstatginindex(i.indexrelid)).pending_tuples::int AS n
        FROM pg_partition_tree('public.changes') t
        JOIN pg_index i ON i.indrelid = t.relid
        JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
        JOIN pg_am a ON a.oid = c.relam AND a.amname = 'gin'`);
    return rows.map(({ n }) => n);
  };
  {
    await using worker = await trail.streaming();
    await trail.source.query(
      "INSERT INTO item SELECT i, 'text ' || i FROM generate_series(1, 5000) AS i",
    );
    await trail.reached(5_000);
    // The list held it all: nothing was merged while the rows were written.
    expect(Math.max(...(await pendingRows()))).toBe(5_000);
    worker.signal("SIGTERM");
    await worker.exited;
  }
  await trail.streaming();
  await eventually("the lists are empty", async () =>
    (await pendingRows()).every((n) => n === 0),
  );
  const found = await trail.destination.query(
    `SELECT primary_key FROM public.changes WHERE after @> '{"text": "text 4711"}'`,
  );
  expect(found).toEqual([{ primary_key: "4711" }]);
});

test.each([
  ["64MB", "128MB"],
  ["256MB", "256MB"],
])(
  "where maintenance_work_mem is %s, merging may use %s",
  async (given, used) => {
    const database = `merging_${given.toLowerCase()}`;
    await cluster.createDatabase(database);
    const client = await cluster.client(database);
    try {
      await migrate(client, { indexValues: true });
      await client.query(`SET maintenance_work_mem = '${given}'`);
      await mergePendingLists(client);
      const { rows } = await client.query("SHOW maintenance_work_mem");
      expect(rows).toEqual([{ maintenance_work_mem: used }]);
    } finally {
      await client.end();
    }
  },
);
