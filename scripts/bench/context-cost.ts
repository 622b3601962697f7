/**
 * What the MikroORM package costs the application's own writes: its triggers and
 * its comment, against neither, and against a trigger that writes a message for
 * each row, as other packages do. Each way has a table, and each statement is
 * measured on all of them in turn.
 */
import type { Client } from "pg";
import { withContext } from "../../mikro-orm/source/context";
import { bemiOnQuery } from "../../mikro-orm/source/on-query";
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { createOrders } from "./backlog";
import type { Figures } from "./figures";

/** How often each statement is measured in a round of the benchmark. */
const REPETITIONS = 5;
const ROWS = 100_000;
const LISTED_ROWS = 10_000;
const SINGLE_ROWS = 2_000;

/** What a request passes; 212 bytes in the comment. */
const CONTEXT = {
  endpoint: "/api/v1/orders/import",
  method: "POST",
  userId: 4711,
  tenant: "a0c1e7de-5f3b-4c56-9d0e-2f6b1c8a7e90",
  requestId: "7be1f3c2-9a48-4c0d-8f3e-5d6a2b7c9e10",
  agent: "Mozilla/5.0 (X11; Linux x86_64)",
};

/** By the names of their tables. */
const WAYS = ["plain", "per_statement", "per_row"] as const;
type Way = (typeof WAYS)[number];

interface Cost {
  readonly ms: number;
  readonly walBytes: number;
}

/** In a database of its own. */
export async function measureContextCost(
  client: Client,
  figures: Figures,
): Promise<void> {
  await createTables(client);
  // What is measured is the server's work and its log, not this disk's fsync.
  await client.query("SET synchronous_commit = off");
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    await client.query(`TRUNCATE ${WAYS.join(", ")} RESTART IDENTITY`);
    // The first meets colder caches than those behind it.
    const inTurn = WAYS.map(
      (_, place) => WAYS[(place + repetition) % WAYS.length] ?? "plain",
    );
    for (const [name, statements] of Object.entries(STATEMENTS)) {
      const costs = new Map<Way, Cost>();
      for (const way of inTurn) {
        await settle(client);
        const sent =
          way === "plain" ? statements(way) : withComments(statements(way));
        costs.set(way, await costOf(client, sent));
      }
      addFigures(figures, name, costs);
    }
  }
}

/** In this order; the tables are empty before. */
const STATEMENTS: Readonly<Record<string, (table: string) => string[]>> = {
  "INSERT … SELECT of 100k rows": (table) => [
    `INSERT INTO ${table} (customer_id, status, total, note)
     SELECT i % 5000, 'new', (i % 100000) / 100.0, 'order number ' || i
       FROM generate_series(1, ${ROWS}) AS i`,
  ],
  "UPDATE of 100k rows": (table) => [
    `UPDATE ${table} SET status = 'shipped', is_paid = true`,
  ],
  "2,000 single-row UPDATEs": (table) => singleRowUpdates(table),
  "the same in one transaction": (table) => [
    "BEGIN",
    ...singleRowUpdates(table),
    "COMMIT",
  ],
  "DELETE of 100k rows": (table) => [`DELETE FROM ${table}`],
  "VALUES list of 10k rows": (table) => [
    `INSERT INTO ${table} (customer_id, status, total, note) VALUES ${Array.from(
      { length: LISTED_ROWS },
      (_, row) => `(${row}, 'new', ${row / 100}, 'order number ${row}')`,
    ).join(", ")}`,
  ],
};

function singleRowUpdates(table: string): string[] {
  return Array.from(
    { length: SINGLE_ROWS },
    (_, row) => `UPDATE ${table} SET note = 'seen' WHERE id = ${row + 1}`,
  );
}

/** As MikroORM would send them. */
function withComments(statements: readonly string[]): string[] {
  const onQuery = bemiOnQuery();
  return withContext(CONTEXT, () => statements.map((sql) => onQuery(sql, [])));
}

async function costOf(
  client: Client,
  statements: readonly string[],
): Promise<Cost> {
  const before = await walPosition(client);
  const start = performance.now();
  for (const sql of statements) await client.query(sql);
  const ms = performance.now() - start;
  return { ms, walBytes: (await walPosition(client)) - before };
}

/** Writes to the disk what is left of the statement before. */
async function settle(client: Client): Promise<void> {
  await client.query(
    "BEGIN; SET LOCAL synchronous_commit = on; INSERT INTO settled DEFAULT VALUES; COMMIT",
  );
}

/** Bytes since the server was made. */
async function walPosition(client: Client): Promise<number> {
  const { rows } = await client.query(
    "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS bytes",
  );
  return Number(rows[0]?.bytes);
}

function addFigures(
  figures: Figures,
  name: string,
  costs: ReadonlyMap<Way, Cost>,
): void {
  const plain = costs.get("plain");
  if (!plain) return;
  figures.add(`context, ${name}: plain, ms`, plain.ms);
  for (const [way, { ms, walBytes }] of costs) {
    if (way === "plain") continue;
    const ratio = `context, ${name}: ${way.replace("_", " ")} / plain`;
    figures.add(`${ratio}, time`, ms / plain.ms);
    figures.add(`${ratio}, WAL`, walBytes / plain.walBytes);
  }
}

async function createTables(client: Client): Promise<void> {
  for (const way of WAYS) await createOrders(client, way);
  await client.query("CREATE TABLE settled ()");
  await client.query(bemiUpSql());
  await client.query(`
    DROP TRIGGER _bemi_stmt_trigger ON settled;
    DROP TRIGGER _bemi_stmt_trigger ON plain;
    DROP TRIGGER _bemi_stmt_trigger ON per_row;
    CREATE FUNCTION emit_for_row() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      context text := split_part(split_part(current_query(), '/*Bemi ', 2), ' Bemi*/', 1);
    BEGIN
      IF context <> '' THEN
        PERFORM pg_logical_emit_message(true, '_bemi', context);
      END IF;
      RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER emit_for_row BEFORE INSERT OR UPDATE OR DELETE ON per_row
      FOR EACH ROW EXECUTE FUNCTION emit_for_row()`);
}
