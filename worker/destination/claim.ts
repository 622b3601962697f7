/** Taking over a watermark from a predecessor that may be frozen, not dead. */
import type { Client } from "pg";
import { FencedError } from "../errors";
import { errorCode, SQLSTATE } from "../sql-state";
import { claimWatermark, type TrailSource, type Watermark } from "./watermark";

const LOCK_TIMEOUT_MS = 5_000;

/**
 * Claims the watermark. To be called only when the source has granted the slot:
 * then whoever still holds the row is a worker that lost it, and its session is
 * ended, since a frozen process would never let go (H13).
 */
export async function claim(
  client: Client,
  source: TrailSource,
): Promise<Watermark> {
  for (;;) {
    try {
      await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
      return await claimWatermark(client, source);
    } catch (error) {
      if (errorCode(error) !== SQLSTATE.lockNotAvailable) throw error;
      await client.query(
        `SELECT pg_terminate_backend(a.pid)
           FROM public._bemi_watermarks w JOIN pg_stat_activity a ON a.pid = w.worker_pid
          WHERE w.database_name = $1 AND w.slot_name = $2
            AND a.datname = current_database() AND a.application_name LIKE 'bemi-worker %'`,
        [source.databaseName, source.slotName],
      );
    } finally {
      await client.query("SET lock_timeout = 0").catch(() => undefined);
    }
  }
}

/**
 * For a worker that lost its connections, and comes back.
 *
 * @throws FencedError when another one claimed the watermark since this process
 * did, with `epoch`: two would take the slot from each other in turns (H13).
 */
export function checkNotFenced(
  { epoch: found, slotName }: Watermark,
  epoch: bigint | undefined,
): void {
  if (epoch !== undefined && found !== epoch) throw fenced(slotName);
}

/** What a worker ends with when another one took over. */
export function fenced(slotName: string): FencedError {
  return new FencedError(`fenced: another worker took over slot "${slotName}"`);
}
