/**
 * What the source's log still has for the trail, counted by decoding it once,
 * for an operator's command: never while a worker runs, whose slot it would need.
 */
import type { Client } from "pg";
import { formatLsn, type Lsn } from "../lsn";

export interface Undelivered {
  readonly transactions: number;
  readonly changes: number;
}

/**
 * Transactions that were committed after `after` and before `upTo`. Among them
 * are changes that the worker would leave out (TRACK_TABLES, its own).
 */
export async function countUndelivered(
  client: Client,
  trail: {
    readonly slotName: string;
    readonly publicationName: string;
    readonly after: Lsn;
    readonly upTo: Lsn;
    readonly timeoutMs: number;
  },
): Promise<Undelivered> {
  await client.query(`SET statement_timeout = ${trail.timeoutMs}`);
  try {
    const { rows } = await client.query<Undelivered>(COUNT, [
      trail.slotName,
      formatLsn(trail.upTo),
      client.escapeIdentifier(trail.publicationName),
      formatLsn(trail.after),
    ]);
    return rows[0] ?? { transactions: 0, changes: 0 };
  } finally {
    await client.query("SET statement_timeout = 0").catch(() => undefined);
  }
}

/**
 * Whether the slot gives this transaction again, as it must where it stands
 * before it: a clone of an earlier time does not (stream/history-proof.ts).
 */
export async function givesAgain(
  client: Client,
  {
    slotName,
    publicationName,
    commitLsn,
  }: {
    readonly slotName: string;
    readonly publicationName: string;
    readonly commitLsn: Lsn;
  },
): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT EXISTS (
       SELECT FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, $2, NULL,
         'proto_version', '1', 'publication_names', $3)
        WHERE get_byte(data, 0) = 66 AND ${COMMIT_LSN} = $4::pg_lsn) AS there`,
    [
      slotName,
      formatLsn(commitLsn + 1n),
      client.escapeIdentifier(publicationName),
      formatLsn(commitLsn),
    ],
  );
  return rows[0]?.there === true;
}

/** Of a message B. */
const COMMIT_LSN = `'0/0'::pg_lsn + (('x' || encode(substring(data FROM 2 FOR 8), 'hex'))::bit(64)::bigint)::numeric`;

/** By message: B (with the commit's position), I, U, D, T. */
const COUNT = `
SELECT count(*)::float8 AS transactions, coalesce(sum(changes), 0)::float8 AS changes
FROM (
  SELECT count(*) FILTER (WHERE get_byte(data, 0) IN (73, 85, 68, 84)) AS changes,
    '0/0'::pg_lsn + max(CASE WHEN get_byte(data, 0) = 66 THEN
      ('x' || encode(substring(data FROM 2 FOR 8), 'hex'))::bit(64)::bigint END)::numeric AS commit
  FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, $2, NULL,
    'proto_version', '1', 'publication_names', $3)
  GROUP BY xid) transaction
WHERE changes > 0 AND commit > $4::pg_lsn AND commit < $2::pg_lsn`;
