/** Notes at the destination that a trail leaves a server, and goes on with another. */
import type { Client } from "pg";
import { formatLsn, type Lsn } from "../lsn";
import type { TrailSource, Watermark } from "./watermark";

/** Nothing was committed at the source after what is stored, up to `lsn`. */
export async function recordDrained(
  client: Client,
  { databaseName, slotName, epoch }: Watermark,
  lsn: Lsn,
): Promise<void> {
  const { rowCount } = await client.query(
    `UPDATE public._bemi_watermarks SET drained_lsn = $4, drained_at = now()
      WHERE database_name = $1 AND slot_name = $2 AND epoch = $3`,
    [databaseName, slotName, String(epoch), formatLsn(lsn)],
  );
  if (rowCount !== 1) throw takenOver();
}

/** Where it was found to be drained; undefined when it was not, or ran since. */
export async function readDrained(
  client: Client,
  { databaseName, slotName }: Watermark,
): Promise<string | undefined> {
  const { rows } = await client.query<{ lsn: string | null }>(
    `SELECT drained_lsn::text AS lsn FROM public._bemi_watermarks
      WHERE database_name = $1 AND slot_name = $2`,
    [databaseName, slotName],
  );
  return rows[0]?.lsn ?? undefined;
}

/**
 * The trail goes on at `position` of another server. Its first transaction is
 * not known yet, so no commit is stored of it; ids go on behind the former
 * server's (`idOffsetBehind`). A gap is noted unless nothing can be missing.
 */
export async function recordMove(
  client: Client,
  watermark: Watermark,
  move: {
    readonly source: TrailSource;
    readonly position: Lsn;
    /** Undefined: nothing is missing. */
    readonly gapReason: string | undefined;
  },
): Promise<void> {
  const { source, position, gapReason } = move;
  const { databaseName, slotName, epoch } = watermark;
  await client.query("BEGIN");
  try {
    const { rowCount } = await client.query(
      `UPDATE public._bemi_watermarks
          SET system_identifier = $4, database_oid = $5, timeline = $6,
              commit_lsn = '0/0', position = $7, id_offset = $8,
              epoch = epoch + 1, drained_lsn = NULL, drained_at = NULL, updated_at = now()
        WHERE database_name = $1 AND slot_name = $2 AND epoch = $3`,
      [
        databaseName,
        slotName,
        String(epoch),
        source.systemIdentifier,
        source.databaseOid,
        source.timeline,
        formatLsn(position),
        String(idOffsetBehind(watermark, position)),
      ],
    );
    if (rowCount !== 1) throw takenOver();
    if (gapReason !== undefined) {
      await client.query(
        `INSERT INTO public._bemi_gaps (database_name, slot_name, from_lsn, to_lsn, from_time, reason)
         VALUES ($1, $2, $3, $4, $5, $6)`,
        [
          databaseName,
          slotName,
          formatLsn(watermark.position),
          formatLsn(position),
          watermark.updatedAt,
          gapReason,
        ],
      );
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

/**
 * What is added to the new server's positions in ids, so that they come after
 * all that the trail has: its log may begin anew, or lie where the former's did.
 */
export function idOffsetBehind(
  { commitLsn, position, idOffset }: Watermark,
  newPosition: Lsn,
): bigint {
  const last = (commitLsn > position ? commitLsn : position) + idOffset;
  return last < newPosition ? 0n : last + 1n - newPosition;
}

function takenOver(): Error {
  return new Error("a worker took over the trail meanwhile; stop it first");
}
