/** A backlog in the source's log: what every drain is measured on. */
import type { Client } from "pg";

export const BACKLOG = {
  inserts: 300_000,
  updates: 200_000,
  deletes: 100_000,
} as const;

export const BACKLOG_CHANGES =
  BACKLOG.inserts + BACKLOG.updates + BACKLOG.deletes;

/** Rows a transaction; a bulk job's size rather than a request's. */
const ROWS_PER_TRANSACTION = 1_000;

/** The table that the benchmark writes to: a small order, seven columns. */
export async function createOrders(
  client: Client,
  table = "orders",
): Promise<void> {
  await client.query(`
    CREATE TABLE ${table} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      customer_id int NOT NULL,
      status text NOT NULL,
      total numeric(12, 2) NOT NULL,
      note text,
      is_paid boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    ALTER TABLE ${table} REPLICA IDENTITY FULL;`);
}

/**
 * Writes the mixed backlog, or a share of it, each transaction with a context
 * of its own, and returns the position behind it.
 */
export async function writeBacklog(
  client: Client,
  { table = "orders", share = 1 } = {},
): Promise<string> {
  await inTransactions(
    client,
    BACKLOG.inserts * share,
    (from, to) =>
      `INSERT INTO ${table} (customer_id, status, total, note)
       SELECT i % 5000, 'new', (i % 100000) / 100.0, 'order number ' || i
         FROM generate_series(${from}, ${to}) AS i`,
  );
  await inTransactions(
    client,
    BACKLOG.updates * share,
    (from, to) =>
      `UPDATE ${table} SET status = 'shipped', is_paid = true WHERE id BETWEEN ${from} AND ${to}`,
  );
  await inTransactions(
    client,
    BACKLOG.deletes * share,
    (from, to) => `DELETE FROM ${table} WHERE id BETWEEN ${from} AND ${to}`,
  );
  return currentPosition(client, table);
}

async function inTransactions(
  client: Client,
  rows: number,
  statement: (from: number, to: number) => string,
): Promise<void> {
  for (let from = 1; from <= rows; from += ROWS_PER_TRANSACTION) {
    // Several statements in one query are one transaction.
    await client.query(`
      SELECT pg_logical_emit_message(true, '_bemi', '${context(from)}');
      ${statement(from, from + ROWS_PER_TRANSACTION - 1)}`);
  }
}

function context(job: number): string {
  return JSON.stringify({
    user_id: job % 997,
    endpoint: "/orders/import",
    method: "POST",
    job,
  });
}

/** Single-row transactions, each with a context of its own. */
export async function writeSmallTransactions(
  client: Client,
  count: number,
): Promise<string> {
  await client.query(`
    CREATE OR REPLACE PROCEDURE write_small_transactions(amount int)
    LANGUAGE plpgsql AS $procedure$
    BEGIN
      FOR i IN 1..amount LOOP
        PERFORM pg_logical_emit_message(true, '_bemi',
          '{"user_id": ' || i || ', "endpoint": "/orders", "method": "POST", "request_id": "' || md5(i::text) || '"}');
        INSERT INTO orders (customer_id, status, total, note)
        VALUES (i % 5000, 'new', 12.5, 'single order ' || i);
        COMMIT;
      END LOOP;
    END
    $procedure$`);
  // What is measured is the log, not this disk's fsync.
  await client.query("SET synchronous_commit = off");
  await client.query(`CALL write_small_transactions(${count})`);
  return currentPosition(client);
}

/** One transaction of many rows. */
export async function writeHugeTransaction(
  client: Client,
  rows: number,
): Promise<string> {
  await client.query(
    `INSERT INTO orders (customer_id, status, total, note)
     SELECT i % 5000, 'new', (i % 100000) / 100.0, 'order number ' || i
       FROM generate_series(1, ${rows}) AS i`,
  );
  return currentPosition(client);
}

/** The position in front of one last transaction: whoever is past it has all. */
async function currentPosition(
  client: Client,
  table = "orders",
): Promise<string> {
  await client.query("SET synchronous_commit = on");
  const { rows } = await client.query<{ lsn: string }>(
    "SELECT pg_current_wal_insert_lsn()::text AS lsn",
  );
  await client.query(
    `INSERT INTO ${table} (customer_id, status, total) VALUES (0, 'end', 0)`,
  );
  const lsn = rows[0]?.lsn;
  if (!lsn) throw new Error("the server gave no position");
  return lsn;
}
