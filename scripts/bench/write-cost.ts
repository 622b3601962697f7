/** What passing context costs the application's own writes. */
import type { Client } from "pg";
import { writeSmallTransactions } from "./backlog";

export interface WriteCost {
  readonly seconds: number;
  readonly walMiB: number;
}

/** Single-row transactions, with a context message each or without. */
export async function measureWriteCost(
  client: Client,
  transactions: number,
  options: { readonly withContext: boolean },
): Promise<WriteCost> {
  const before = await walPosition(client);
  const start = performance.now();
  await writeSmallTransactions(client, transactions, options);
  const seconds = (performance.now() - start) / 1000;
  const { rows } = await client.query(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8 AS bytes",
    [before],
  );
  return { seconds, walMiB: Number(rows[0]?.bytes) / 1024 ** 2 };
}

async function walPosition(client: Client): Promise<string> {
  const { rows } = await client.query(
    "SELECT pg_current_wal_insert_lsn()::text AS lsn",
  );
  return String(rows[0]?.lsn);
}
