/**
 * What each function sends, over the worker's own `changes` with its default
 * indexes: none reads a partition from end to end. On one version of PostgreSQL
 * and of MikroORM: what is asked is whether there is an index for each.
 */
import type { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { migrate } from "../../worker/destination/destination-schema";
import {
  ensurePartition,
  monthOf,
  partitionOf,
} from "../../worker/destination/partitions";
import { ChangesReader } from "../support/changes-reader";

const MONTHS = 3;
const ROWS_A_MONTH = 30_000;
const FIRST_MONTH = monthOf(new Date("2026-01-01"));
const months = Array.from({ length: MONTHS }, (_, n) => FIRST_MONTH + n);

let cluster: Cluster;
let client: Client;
let reader: ChangesReader;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: { fsync: "off", autovacuum: "off" },
  });
  client = await cluster.client();
  await migrate(client, { indexValues: true });
  for (const month of months) {
    await ensurePartition(client, month);
    await client.query(rowsOf(month));
  }
  await client.query("VACUUM (ANALYZE) changes");
  reader = await ChangesReader.start("6", cluster.url("postgres"));
});
afterAll(async () => {
  await reader?.[Symbol.asyncDispose]();
  await client?.end();
  await cluster[Symbol.asyncDispose]();
});

/** 5 tables, records with 7 changes on average, 2,000 users. */
const rowsOf = (month: number) => `
  INSERT INTO changes (id, database, schema, "table", primary_key, operation, before, after, context, committed_at, queued_at, transaction_id, position)
  SELECT (lpad(to_hex(i), 12, '0') || '8000b000000000000000')::uuid, 'shop', 'public',
         (ARRAY['order', 'item', 'customer', 'payment', 'todo'])[i % 5 + 1], CASE WHEN i % 9000 <> 0 THEN (i / 35)::text END,
         CASE WHEN i % 9000 = 0 THEN 'TRUNCATE' WHEN i % 2 = 0 THEN 'UPDATE' ELSE 'CREATE' END,
         CASE WHEN i % 2 = 0 AND i % 9000 <> 0 THEN row_json ELSE '{}' END,
         CASE WHEN i % 9000 <> 0 THEN row_json ELSE '{}' END,
         jsonb_build_object('user', i % 2000, 'endpoint', '/todo'), t, t, i / 3, i * 100
    FROM generate_series(${(month - FIRST_MONTH) * ROWS_A_MONTH + 1}::bigint, ${(month - FIRST_MONTH + 1) * ROWS_A_MONTH}) i,
         LATERAL (SELECT '${partitionOf(month).from}'::timestamptz + (i % ${ROWS_A_MONTH}) * interval '60 seconds' AS t) committed,
         LATERAL (SELECT jsonb_build_object('id', i / 35, 'title', 'Task number ' || i, 'done', i % 3 = 0) AS row_json) content`;

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly Plan[];
}

const nodes = (plan: Plan): readonly Plan[] => [
  plan,
  ...(plan.Plans ?? []).flatMap(nodes),
];

/** Relations read from end to end, and all that are read. */
async function read(name: string, ...args: unknown[]) {
  const { answer, plans } = await reader.call<{
    answer: unknown;
    plans: readonly Plan[];
  }>("explained", name, ...args);
  const all = plans.flatMap(nodes);
  const names = (some: readonly Plan[]) => [
    ...new Set(some.map((node) => node["Relation Name"])),
  ];
  return {
    answer,
    queries: plans.length,
    scanned: names(all.filter((node) => node["Node Type"] === "Seq Scan")),
    relations: names(all.filter((node) => "Relation Name" in node)),
  };
}

const middle = "2026-02-10T00:00:00Z";
const partition = (month: number) => partitionOf(month).name;
const todo = { table: "todo", key: "id" };
const february = { from: "2026-02-02T00:00:00Z", to: "2026-02-20T00:00:00Z" };

const calls: readonly (readonly [string, readonly unknown[]])[] = [
  ["history", [todo, 1200]],
  ["history", ["Todo", "1200", { ...february, limit: 3 }]],
  ["asOf", [todo, 1200, middle]],
  ["asOf", [todo, 2500, "2026-01-10T00:00:00Z"]],
  ["table", [todo, middle]],
  ["byContext", [{ user: 187 }]],
  ["byContext", [{ user: 189 }, { table: "Todo", ...february }]],
  ["undoContext", [{ user: 187 }]],
];

test.each(calls)("%s(%j): by index", async (name, args) => {
  const { answer, queries, scanned } = await read(name, ...args);
  expect(queries).toBeGreaterThan(0);
  expect(scanned).toEqual([]);
  expect(JSON.stringify(answer).length).toBeGreaterThan(50);
});

test("bounds leave partitions out", async () => {
  const options = { table: "Todo", ...february };
  const { relations } = await read("byContext", { user: 189 }, options);
  expect(relations).toEqual([partition(FIRST_MONTH + 1)]);
  const history = await read("history", todo, 1200, february);
  expect(history.relations).toEqual([partition(FIRST_MONTH + 1)]);
  const asOf = await read("asOf", todo, 100, "2026-01-20T00:00:00Z");
  expect(asOf.relations).toEqual([partition(FIRST_MONTH)]);
});

test("a table is read a page at a time", async () => {
  const { answer, queries } = await read("table", todo, "2026-04-01T00:00:00Z");
  const keys = (answer as { primaryKey: string }[]).map(
    (one) => one.primaryKey,
  );
  expect(new Set(keys).size).toBe(keys.length);
  // 500 at a time, two queries each, and one for TRUNCATE.
  expect(keys.length).toBeGreaterThan(400);
  expect(queries).toBeGreaterThan(4);
});
