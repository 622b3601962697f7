/** Health and metrics of a real worker, after changes whose number is known. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { addressOf, healthOf, parseMetrics } from "../support/health";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: { max_slot_wal_keep_size: "1GB" },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

test("health and every documented figure are right after known changes", async () => {
  await cluster.createDatabase("shop");
  await cluster.createDatabase("trail");
  const client = await cluster.client("shop");
  const trail = await cluster.client("trail");
  await client.query(`
    CREATE TABLE item (id int PRIMARY KEY, seen int);
    CREATE TABLE audit_free (id int PRIMARY KEY)`);
  await using worker = WorkerProcess.start(
    workerEnvironment(
      cluster,
      "shop",
      { cluster, database: "trail" },
      {
        SLOT_NAME: "shop_slot",
        TRACK_TABLES: "public.*,!public.audit_free",
        IGNORE_COLUMNS: "public.item.seen",
      },
    ),
  );
  await worker.log("streaming");
  await client.query(`
    INSERT INTO item SELECT generate_series(1, 5)`);
  await client.query("UPDATE item SET seen = 1 WHERE id = 1");
  await client.query("INSERT INTO audit_free VALUES (1)");
  await client.query(
    "SELECT pg_logical_emit_message(false, '_bemi', '{\"user\": 1}')",
  );
  await client.query(
    "BEGIN; SELECT pg_logical_emit_message(true, '_bemi', 'no json'); DELETE FROM item WHERE id = 5; COMMIT",
  );
  const stored = async () => {
    const { rows } = await trail.query(
      "SELECT count(*)::int AS n FROM changes",
    );
    return rows[0].n === 6;
  };
  await eventually("six changes", stored);

  const url = await addressOf(worker);
  const figures = async () => {
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get("content-type")).toContain("version=0.0.4");
    return parseMetrics(await response.text(), "shop_slot");
  };
  const known = await eventually("the slot's figures", async () => {
    const now = await figures();
    const isKnown = (name: string) => now[name]?.value !== undefined;
    return (
      isKnown("bemi_slot_lag_bytes") &&
      isKnown("bemi_worker_heartbeat_age_seconds") &&
      now
    );
  });
  expect(known).toMatchObject({
    bemi_worker_streaming: { value: 1 },
    bemi_worker_changes_total: { value: 6 },
    bemi_worker_filtered_changes_total: { value: 2 },
    bemi_worker_replayed_transactions_total: { value: 0 },
    bemi_worker_invalid_contexts_total: { value: 1 },
    bemi_worker_unbound_messages_total: { value: 1 },
    bemi_worker_key_lookup_failures_total: { value: 0 },
  });
  const transactions = known.bemi_worker_transactions_total?.value ?? 0;
  expect(transactions).toBeGreaterThanOrEqual(4);
  for (const [name, { value }] of Object.entries(known)) {
    // A trend takes half a minute, and this slot does not grow.
    const isTrend = /^bemi_slot_(growth|exhaustion)_/.test(name);
    if (!isTrend) expect([name, value]).toEqual([name, expect.any(Number)]);
  }
  expect(known.bemi_slot_safe_bytes?.value).toBeGreaterThan(2 ** 29);
  expect(Object.keys(known).sort()).toEqual(documentedFigures().sort());

  const health = await healthOf(worker);
  expect(health).toMatchObject({
    status: 200,
    healthy: true,
    state: "streaming",
    confirmedLsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    slot: { walStatus: "reserved", at: expect.any(String) },
    counters: { changes: 6, filtered: 2 },
  });
  expect(health.problem).toBeUndefined();
  worker.signal("SIGTERM");
  expect((await worker.exited).code).toBe(0);
  await client.end();
  await trail.end();
});

/** The first column of the table of metrics. */
function documentedFigures(): string[] {
  const file = join(__dirname, "..", "..", "docs", "operations.md");
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^\| `(bemi_\w+)` \|/gm)].map(([, name]) =>
    String(name),
  );
}
