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
/**
 * As long as a list may become (`gin_pending_list_limit` of the indexes): with
 * the server's default of 64 MB a long one is merged in several passes, which
 * takes a third longer.
 */
const MERGE_MEMORY_KIB = 128 * 1024;

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
  // A server that was given more keeps it.
  await client.query(
    `SELECT set_config(name, '${MERGE_MEMORY_KIB}', false) FROM pg_settings
      WHERE name = 'maintenance_work_mem' AND setting::int < ${MERGE_MEMORY_KIB}`,
  );
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
