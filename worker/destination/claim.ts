/** Taking over a watermark from a predecessor that may be frozen, not dead. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { FencedError } from "../errors";
import { claimWatermark, type TrailSource, type Watermark } from "./watermark";

/** For a predecessor that is alive to end what it began. */
const PATIENCE_MS = 5_000;
/** Its sessions stand behind one another. */
const NEXT_SESSION_MS = 100;

/**
 * Claims the watermark. To be called only when the source has granted the slot:
 * then whoever still holds the row is a worker that lost it, and its sessions
 * are ended, since a frozen process would never let go.
 *
 * @param sessions - two of the destination: while the first one waits for the
 * row, the other one can tell for whom
 */
export async function claim(
  [client, beside]: readonly [Client, Client],
  source: TrailSource,
): Promise<Watermark> {
  await client.query("BEGIN");
  const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
  const claiming = claimWatermark(client, source);
  // Also when the other session fails first.
  claiming.catch(() => undefined);
  for (let waitMs = PATIENCE_MS; ; waitMs = NEXT_SESSION_MS) {
    const timeout = sleep(waitMs, undefined, { ref: false });
    const watermark = await Promise.race([claiming, timeout]);
    if (watermark) {
      await client.query("COMMIT");
      return watermark;
    }
    await beside.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid = ANY (pg_blocking_pids($1)) AND application_name LIKE 'bemi-worker %'`,
      [rows[0]?.pid],
    );
  }
}

/**
 * For a worker that lost its connections, and comes back.
 *
 * @throws FencedError when another one claimed the watermark since this process
 * did, with `epoch`: two would take the slot from each other in turns.
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
