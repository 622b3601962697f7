/**
 * The GIN indexes of `changes` put new entries on a list first and merge them
 * into the index later: writing costs half as much (docs/decisions.md), and
 * a query has to read the list. Here it is merged once a minute, on a connection
 * of its own, so that neither the writer nor a reader ever pays for a long one.
 */
import type { Client } from "pg";
import { describeError, type Log } from "../log";
import type { Servers } from "../network/servers";
import type { Status } from "../status";

const INTERVAL_MS = 60_000;
/** A session begins with most to write, and may not last for a minute. */
const FIRST_MS = 5_000;

/** Runs now and every minute until `signal`; a failure waits for the next time. */
export function keepIndexesMerged(
  parts: {
    readonly servers: Pick<Servers, "connectDestination">;
    readonly status: Pick<Status, "counters">;
    readonly log: Log;
  },
  signal: AbortSignal,
): void {
  const { servers, status, log } = parts;
  let merged: number | undefined;
  let running = false;
  const tick = async (): Promise<void> => {
    const { changes } = status.counters;
    // A system at rest stays at rest.
    if (running || changes === merged) return;
    running = true;
    try {
      const client = await servers.connectDestination();
      try {
        await mergePendingLists(client);
        merged = changes;
      } finally {
        await client.end().catch(() => undefined);
      }
    } catch (error) {
      // The session took the connection with it; the next one begins anew.
      if (signal.aborted) return;
      log.warn({ error: describeError(error) }, "index upkeep failed");
    } finally {
      running = false;
    }
  };
  const timer = setInterval(() => void tick(), INTERVAL_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    clearTimeout(first);
  });
  const first = setTimeout(() => void tick(), FIRST_MS);
}

/**
 * Merges what waits, index by index: each in a transaction of its own, so that
 * none holds back the clean-up of what other transactions leave behind.
 */
export async function mergePendingLists(client: Client): Promise<void> {
  const { rows } = await client.query<{ oid: string }>(`
    SELECT i.indexrelid::oid::text AS oid
      FROM pg_partition_tree('public.changes') t
      JOIN pg_index i ON i.indrelid = t.relid
      JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
      JOIN pg_am a ON a.oid = c.relam AND a.amname = 'gin'`);
  for (const { oid } of rows) {
    // Retention may have dropped it meanwhile.
    await client.query(
      "SELECT gin_clean_pending_list(oid) FROM pg_class WHERE oid = $1::oid",
      [oid],
    );
  }
}
