/**
 * The queries that the documentation promises, over five million changes: each
 * is served by an index, with GIN's pending list empty and full. On one version:
 * what is asked is whether there is an index for each query, not how well a
 * planner chooses.
 */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { migrate } from "../../worker/destination/destination-schema";
import {
  ensurePartition,
  monthOf,
  partitionOf,
} from "../../worker/destination/partitions";

const ROWS = 5_000_000;
const MONTHS = 5;
const FIRST_MONTH = monthOf(new Date("2026-01-01"));
const ROWS_A_MONTH = ROWS / MONTHS;
/** In the pending lists at first, and merged into the indexes afterwards. */
const PENDING_ROWS = 50_000;
const LOAD_TIMEOUT_MS = 15 * 60_000;
/** A scan of everything takes longer; an index, even on a busy machine, not. */
const MAX_MS = 3_000;

let cluster: Cluster;
let client: Client;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: {
      // Nothing of this is to survive or to be replicated: it is loaded fast.
      wal_level: "minimal",
      max_wal_senders: 0,
      fsync: "off",
      synchronous_commit: "off",
      full_page_writes: "off",
      autovacuum: "off",
      max_wal_size: "16GB",
      shared_buffers: "512MB",
      maintenance_work_mem: "512MB",
    },
  });
  client = await cluster.client();
  await migrate(client, { indexValues: true });
  for (let month = 0; month < MONTHS; month++) {
    await ensurePartition(client, FIRST_MONTH + month);
  }
  await load();
}, LOAD_TIMEOUT_MS);
afterAll(async () => {
  await client.end();
  await cluster[Symbol.asyncDispose]();
});

/** With the migrations' own indexes, which are quicker to build than to keep. */
async function load(): Promise<void> {
  const { rows: indexes } = await client.query<{
    name: string;
    definition: string;
    constraint: string | null;
  }>(`
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition,
           pg_get_constraintdef(c.oid) AS constraint
      FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
     WHERE i.indrelid = 'changes'::regclass ORDER BY 1`);
  expect(indexes.length).toBeGreaterThan(4);
  for (const { name, constraint } of indexes) {
    await client.query(
      constraint
        ? `ALTER TABLE changes DROP CONSTRAINT ${name}`
        : `DROP INDEX ${name}`,
    );
  }
  const other = await cluster.client();
  const months = Array.from({ length: MONTHS }, (_, month) => month);
  await Promise.all([
    inTurn(months.filter((month) => month % 2 === 0).map(rowsOf), client),
    inTurn(months.filter((month) => month % 2 === 1).map(rowsOf), other),
  ]);
  const statements = indexes.map(({ name, definition, constraint }) =>
    constraint
      ? `ALTER TABLE changes ADD CONSTRAINT ${name} ${constraint}`
      : // The definition is of the parent alone.
        definition.replace(" ON ONLY ", " ON "),
  );
  // One after the other: two builds at once on one table wait for each other.
  await inTurn(statements, client);
  await other.end();
  await client.query("ANALYZE changes");
}

async function inTurn(statements: readonly string[], session: Client) {
  for (const statement of statements) await session.query(statement);
}

/** In one transaction with a TRUNCATE, and so without a log (wal_level). */
function rowsOf(month: number): string {
  const { name, from } = partitionOf(FIRST_MONTH + month);
  const [first, last] = [month * ROWS_A_MONTH + 1, (month + 1) * ROWS_A_MONTH];
  return `TRUNCATE ${name}; ${insertSql(name, first, last, from)}`;
}

/** Changes `from` to `to`, in commit order, over four weeks. */
const insertSql = (table: string, from: number, to: number, start: string) => `
  INSERT INTO ${table} (id, created_at, database, schema, "table", primary_key, operation,
                        before, after, context, committed_at, queued_at, transaction_id, position)
  SELECT (lpad(to_hex(i), 12, '0') || '8000b000000000000000')::uuid, t, 'shop', 'public',
         (ARRAY['order', 'item', 'customer', 'payment', 'todo'])[i % 5 + 1], (i / 7)::text,
         CASE WHEN i % 200000 = 0 THEN 'TRUNCATE' WHEN i % 20 = 0 THEN 'DELETE'
              WHEN i % 2 = 0 THEN 'UPDATE' ELSE 'CREATE' END,
         CASE WHEN i % 2 = 0 THEN row_json ELSE '{}' END,
         CASE WHEN i % 20 <> 0 THEN row_json ELSE '{}' END,
         jsonb_build_object('user_id', i % 20000, 'endpoint', '/todo/complete'),
         t, t, i / 3, i * 100
    FROM generate_series(${from}::bigint, ${to}) i,
         LATERAL (SELECT '${start}'::timestamptz + (i - ${from}) * interval '27 days' / ${to - from + 1} AS t) committed,
         LATERAL (SELECT jsonb_build_object('id', i / 7, 'email', 'user' || i % 50000 || '@example.com',
                                            'title', 'Task number ' || i % 1000, 'done', i % 3 = 0) AS row_json) content`;

const last = partitionOf(FIRST_MONTH + MONTHS - 1);
const SOME_ID = "'0000002dc6c0-8000-b000-000000000000'";

const QUERIES: readonly (readonly [string, string])[] = [
  ["a record", `"table" = 'todo' AND primary_key = '428571' ORDER BY id`],
  [
    "a record as it was at a time",
    `"table" = 'todo' AND primary_key = '428571' AND committed_at <= '${last.from}' ORDER BY id DESC LIMIT 1`,
  ],
  [
    "an hour",
    `committed_at >= '${last.from}'::timestamptz + interval '3 days' AND committed_at < '${last.from}'::timestamptz + interval '3 days 1 hour' ORDER BY id`,
  ],
  ["an operation", `operation = 'TRUNCATE' ORDER BY id`],
  [
    "an operation on a table in an hour",
    `operation = 'DELETE' AND "table" = 'order' AND committed_at >= '${last.from}'::timestamptz + interval '3 days' AND committed_at < '${last.from}'::timestamptz + interval '3 days 1 hour'`,
  ],
  ["who", `context @> '{"user_id": 187}' ORDER BY id`],
  ["a value before", `before @> '{"email": "user78@example.com"}' ORDER BY id`],
  ["a value after", `after @> '{"email": "user77@example.com"}' ORDER BY id`],
  [
    "who did what",
    `"table" = 'customer' AND context @> '{"user_id": 187}' AND after @> '{"done": true}'`,
  ],
  ["one change", `id = ${SOME_ID}::uuid`],
  ["on from a change", `id > ${SOME_ID}::uuid ORDER BY id LIMIT 1000`],
  [
    "a stretch in commit order",
    `id >= ${SOME_ID}::uuid AND id < '0000002dcaa8-8000-b000-000000000000' ORDER BY id`,
  ],
  ["the newest changes", "true ORDER BY id DESC LIMIT 100"],
];

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly Plan[];
}

/** Whether the plan reads a partition from end to end, and how long it took. */
async function explain(where: string) {
  const { rows } = await client.query(
    `EXPLAIN (ANALYZE, FORMAT JSON) SELECT id, operation, before, after, context FROM changes WHERE ${where}`,
  );
  const [result] = rows[0]["QUERY PLAN"] as {
    Plan: Plan & { "Actual Rows": number };
    "Execution Time": number;
  }[];
  if (!result) throw new Error("no plan");
  return {
    scanned: nodes(result.Plan)
      .filter((node) => node["Node Type"] === "Seq Scan")
      .map((node) => node["Relation Name"]),
    rows: result.Plan["Actual Rows"],
    ms: result["Execution Time"],
  };
}

function nodes(plan: Plan): readonly Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)];
}

test.each(QUERIES)("%s: by index", async (_name, where) => {
  const { scanned, rows, ms } = await explain(where);
  expect(scanned).toEqual([]);
  expect(rows).toBeGreaterThan(0);
  expect(ms).toBeLessThan(MAX_MS);
});

test("rows that wait in the pending lists are found too, by index, before and after they are merged", async () => {
  await client.query(
    insertSql("changes", ROWS + 1, ROWS + PENDING_ROWS, last.from),
  );
  const { rows: lists } = await client.query<{ name: string }>(`
    SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_am a ON a.oid = c.relam
     WHERE a.amname = 'gin' AND c.relkind = 'i'`);
  const waiting = QUERIES.filter(([, where]) => where.includes("@>"));
  const pending = [];
  for (const [, where] of waiting) pending.push(await explain(where));
  let pages = 0;
  for (const { name } of lists) {
    const { rows } = await client.query<{ pages: number }>(
      "SELECT gin_clean_pending_list($1)::int AS pages",
      [name],
    );
    pages += rows[0]?.pages ?? 0;
  }
  expect(pages).toBeGreaterThan(0);
  const merged = [];
  for (const [, where] of waiting) merged.push(await explain(where));
  for (const { scanned, ms } of [...pending, ...merged]) {
    expect(scanned).toEqual([]);
    expect(ms).toBeLessThan(MAX_MS);
  }
  expect(merged.map(({ rows }) => rows)).toEqual(
    pending.map(({ rows }) => rows),
  );
});
