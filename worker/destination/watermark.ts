/**
 * What the destination has of a source: the only durable position there is. The
 * slot's own position is a hint for recycling WAL; it can go back and it
 * can be moved by others.
 */
import type { Client } from "pg";
import { formatLsn, type Lsn, parseLsn } from "../lsn";

/** Counting of a transaction's changes; a replay must count alike. */
export const ORDINAL_VERSION = 1;

/** Which history the positions belong to. */
export interface TrailSource {
  readonly databaseName: string;
  readonly databaseOid: number;
  /** As IDENTIFY_SYSTEM gives it. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly slotName: string;
}

export interface Watermark extends TrailSource {
  /** Commit record of the last transaction whose rows are stored. */
  readonly commitLsn: Lsn;
  /** The furthest that the source may have been told. */
  readonly position: Lsn;
  readonly epoch: bigint;
  /** Added to commit positions in ids: the trail has moved between servers. */
  readonly idOffset: bigint;
  readonly updatedAt: Date;
}

/** The watermark of a slot, or undefined before its first run. */
export async function readWatermark(
  client: Client,
  databaseName: string,
  slotName: string,
): Promise<Watermark | undefined> {
  const { rows } = await client.query(
    `SELECT ${COLUMNS} FROM public._bemi_watermarks WHERE database_name = $1 AND slot_name = $2`,
    [databaseName, slotName],
  );
  return rows[0] ? toWatermark(rows[0]) : undefined;
}

/**
 * The name under which the destination has a trail of this very slot, where its
 * database had another one then.
 */
export async function formerName(
  client: Client,
  { slotName, systemIdentifier, databaseOid, databaseName }: TrailSource,
): Promise<string | undefined> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT database_name AS name FROM public._bemi_watermarks
      WHERE slot_name = $1 AND system_identifier = $2 AND database_oid = $3 AND database_name <> $4`,
    [slotName, systemIdentifier, databaseOid, databaseName],
  );
  return rows[0]?.name;
}

/** Starts a trail at the position of a slot that has no watermark yet. */
export async function createWatermark(
  client: Client,
  source: TrailSource,
  position: string,
): Promise<void> {
  await client.query(
    `INSERT INTO public._bemi_watermarks
       (database_name, slot_name, system_identifier, database_oid, timeline, commit_lsn, position, ordinal_version)
     VALUES ($1, $2, $3, $4, $5, '0/0', $6, $7)
     ON CONFLICT DO NOTHING`,
    [
      source.databaseName,
      source.slotName,
      source.systemIdentifier,
      source.databaseOid,
      source.timeline,
      position,
      ORDINAL_VERSION,
    ],
  );
}

/**
 * Makes this worker the only one whose transactions are accepted, and returns
 * the watermark as nobody can move it any more, once the transaction that
 * `client` has open is committed.
 */
export async function claimWatermark(
  client: Client,
  source: TrailSource,
): Promise<Watermark> {
  // The update alone would not wait for whoever only shares the row
  // (write-transaction.ts), and has rows in the way of ours.
  await client.query(
    "SELECT FROM public._bemi_watermarks WHERE database_name = $1 AND slot_name = $2 FOR UPDATE",
    [source.databaseName, source.slotName],
  );
  const { rows } = await client.query(
    `UPDATE public._bemi_watermarks
        SET epoch = epoch + 1, drained_lsn = NULL, drained_at = NULL, worker_pid = pg_backend_pid(), updated_at = now()
      WHERE database_name = $1 AND slot_name = $2
      RETURNING ${COLUMNS}`,
    [source.databaseName, source.slotName],
  );
  if (!rows[0]) throw new Error("the watermark row is gone");
  return toWatermark(rows[0]);
}

/**
 * Notes that the trail goes on with a promoted server, whose history is the
 * same up to `position`. Undefined when another worker has claimed it since.
 */
export async function recordTimeline(
  client: Client,
  { databaseName, slotName, epoch }: Watermark,
  now: { readonly timeline: number; readonly position: Lsn },
): Promise<Watermark | undefined> {
  const { rows } = await client.query(
    `UPDATE public._bemi_watermarks
        SET timeline = $3, position = $4, updated_at = now()
      WHERE database_name = $1 AND slot_name = $2 AND epoch = $5
      RETURNING ${COLUMNS}`,
    [
      databaseName,
      slotName,
      now.timeline,
      formatLsn(now.position),
      String(epoch),
    ],
  );
  return rows[0] ? toWatermark(rows[0]) : undefined;
}

/**
 * Moves the trail over changes that cannot be had any more, and notes that they
 * are missing. The epoch rises: a worker that still runs must not write on.
 */
export async function recordGap(
  client: Client,
  watermark: Watermark,
  gap: {
    readonly from: Lsn;
    readonly to: Lsn;
    /** Of the server now. */
    readonly timeline: number;
    readonly reason: string;
  },
): Promise<void> {
  const { rowCount } = await client.query(
    `WITH moved AS (
       UPDATE public._bemi_watermarks w
          SET position = $3, timeline = $6, epoch = w.epoch + 1, updated_at = now()
         FROM public._bemi_watermarks old
        WHERE w.database_name = $1 AND w.slot_name = $2 AND w.epoch = $5
          AND old.database_name = w.database_name AND old.slot_name = w.slot_name
       RETURNING w.database_name, w.slot_name, old.updated_at)
     INSERT INTO public._bemi_gaps (database_name, slot_name, from_lsn, to_lsn, from_time, reason)
     SELECT database_name, slot_name, $7, $3, updated_at, $4 FROM moved`,
    [
      watermark.databaseName,
      watermark.slotName,
      formatLsn(gap.to),
      gap.reason,
      String(watermark.epoch),
      gap.timeline,
      formatLsn(gap.from),
    ],
  );
  if (rowCount !== 1) {
    throw new Error("a worker took over the trail meanwhile; stop it first");
  }
}

const COLUMNS =
  "database_name, slot_name, system_identifier, database_oid, timeline, commit_lsn::text, position::text, epoch::text, to_jsonb(_bemi_watermarks)->>'id_offset' AS id_offset, updated_at";

function toWatermark(row: Record<string, string>): Watermark {
  return {
    databaseName: row.database_name as string,
    slotName: row.slot_name as string,
    systemIdentifier: row.system_identifier as string,
    databaseOid: Number(row.database_oid),
    timeline: Number(row.timeline),
    commitLsn: parseLsn(row.commit_lsn as string),
    position: parseLsn(row.position as string),
    epoch: BigInt(row.epoch as string),
    // Null before the migration that brings it, which `check` does not run.
    idOffset: BigInt(row.id_offset ?? 0),
    updatedAt: new Date(row.updated_at as string),
  };
}
