/**
 * Partitions of `changes` over time: next month's is made ahead, and with
 * RETENTION_DAYS those that hold nothing younger are dropped. On a connection
 * of its own, since the writing one is in the middle of a COPY most of the time.
 */
import { describeError, type Log } from "../log";
import type { Servers } from "../network/servers";
import type { Settings } from "../settings/settings";
import {
  dropPartition,
  ensurePartition,
  expiredPartitions,
  monthOf,
} from "./partitions";

const INTERVAL_MS = 60 * 60 * 1000;

export interface UpkeepParts {
  readonly servers: Pick<Servers, "connectDestination">;
  readonly settings: Pick<Settings, "retentionDays">;
  readonly log: Log;
}

/** Runs now and every hour until `signal`; a failure waits for the next time. */
export function keepPartitions(parts: UpkeepParts, signal: AbortSignal): void {
  let running = false;
  const tick = async (): Promise<void> => {
    if (running) return;
    running = true;
    try {
      await upkeep(parts, new Date());
    } catch (error) {
      // The session took the connection with it; the next one begins anew.
      if (signal.aborted) return;
      parts.log.warn(
        { error: describeError(error) },
        "partition upkeep failed",
      );
    } finally {
      running = false;
    }
  };
  const timer = setInterval(() => void tick(), INTERVAL_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  void tick();
}

async function upkeep(
  { servers, settings: { retentionDays }, log }: UpkeepParts,
  now: Date,
): Promise<void> {
  const client = await servers.connectDestination();
  try {
    await ensurePartition(client, monthOf(now) + 1);
    if (retentionDays === undefined) return;
    for (const name of await expiredPartitions(client, now, retentionDays)) {
      await dropPartition(client, name);
      log.info({ partition: name, retentionDays }, "expired partition dropped");
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}
