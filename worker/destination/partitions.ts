/**
 * Monthly partitions of `changes`. They are attached rather than created in
 * place: ATTACH takes a lock that readers and writers pass, CREATE … PARTITION
 * OF would wait behind every reader and hold up everybody behind it.
 */
import type { Client } from "pg";
import { OperatorError } from "../errors";
import { errorCode } from "../sql-state";

/** Months since 1970 (UTC) of a moment. */
export function monthOf(date: Date): number {
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** Name and bounds of a month's partition. */
export function partitionOf(month: number): {
  readonly name: string;
  readonly from: string;
  readonly to: string;
} {
  const [year, monthOfYear] = yearAndMonth(month);
  return {
    name: `changes_${year}_${monthOfYear}`,
    from: firstDay(month),
    to: firstDay(month + 1),
  };
}

/**
 * Makes the partition of `month` unless it is there. One statement, so that it
 * is atomic by itself and can also be part of a transaction.
 *
 * @throws OperatorError when it is there and no partition, or another one is in
 * its place.
 */
export async function ensurePartition(
  client: Client,
  month: number,
): Promise<void> {
  const { name } = partitionOf(month);
  // The lock makes a second writer wait and then find the partition; by a query,
  // since to_regclass would go on from what it saw before.
  const made = client.query(`
    DO $partition$
    BEGIN
      IF to_regclass('public.${name}') IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('_bemi_migrations'));
      END IF;
      IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = '${name}') THEN
        CREATE TABLE public.${name} (LIKE public.changes INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION);
        ${attach(month)};
      ELSIF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'public.changes'::regclass AND inhrelid = 'public.${name}'::regclass) THEN
        RAISE EXCEPTION USING ERRCODE = '${DETACHED}';
      END IF;
    END
    $partition$`);
  await made.catch((error: unknown) => {
    const code = errorCode(error);
    if (code === DETACHED) {
      throw new OperatorError(
        `public.${name} is there at the destination but is no partition of public.changes, which has no place for changes of that month without it`,
        `${attach(month)}; or rename it, and an empty one is made: ALTER TABLE public.${name} RENAME TO ${name}_before;`,
        { cause: error },
      );
    }
    if (code === undefined || !TAKEN.has(code)) throw error;
    throw new OperatorError(
      `public.${name} cannot be made: another partition of public.changes at the destination has its place (SQLSTATE ${code})`,
      "detach it (psql: \\d+ public.changes shows all of them): ALTER TABLE public.changes DETACH PARTITION …; the worker makes one a month",
      { cause: error },
    );
  });
}

/** No code of PostgreSQL's: said by the statement above alone. */
const DETACHED = "BM001";
/** Bounds overlap, or a default partition has rows of the month. */
const TAKEN: ReadonlySet<string> = new Set(["42P17", "23514"]);

function attach(month: number): string {
  const { name, from, to } = partitionOf(month);
  return `ALTER TABLE public.changes ATTACH PARTITION public.${name} FOR VALUES FROM ('${from}') TO ('${to}')`;
}

/**
 * Partitions whose newest possible row is older than `retentionDays`, by name.
 */
export async function expiredPartitions(
  client: Client,
  now: Date,
  retentionDays: number,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'public.changes'::regclass ORDER BY 1",
  );
  const keepFrom = monthOf(new Date(now.getTime() - retentionDays * DAY_MS));
  return rows
    .map(({ name }) => name)
    .filter((name) => {
      const match = /^changes_(\d{4,})_(\d{2})$/.exec(name);
      if (!match) return false;
      return Number(match[1]) * 12 + Number(match[2]) - 1 < keepFrom;
    });
}

/**
 * Takes a partition out of `changes` without blocking its readers, then drops
 * it. Two workers on one destination take turns, and what one was interrupted
 * in, the next one finishes.
 */
export async function dropPartition(
  client: Client,
  name: string,
): Promise<void> {
  await client.query(`SELECT pg_advisory_lock(${UPKEEP_LOCK})`);
  try {
    const { rows } = await client.query(
      "SELECT inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = to_regclass($1)",
      [`public.${name}`],
    );
    if (rows[0]) {
      await client.query(
        `ALTER TABLE public.changes DETACH PARTITION public.${name} ${rows[0].pending ? "FINALIZE" : "CONCURRENTLY"}`,
      );
    }
    await client.query(`DROP TABLE IF EXISTS public.${name}`);
  } finally {
    await client.query(`SELECT pg_advisory_unlock(${UPKEEP_LOCK})`);
  }
}

const UPKEEP_LOCK = "hashtext('_bemi_upkeep')";

const DAY_MS = 24 * 60 * 60 * 1000;

function firstDay(month: number): string {
  const [year, monthOfYear] = yearAndMonth(month);
  return `${year}-${monthOfYear}-01 00:00:00+00`;
}

function yearAndMonth(month: number): [string, string] {
  return [
    String(Math.floor(month / 12)).padStart(4, "0"),
    String((month % 12) + 1).padStart(2, "0"),
  ];
}
