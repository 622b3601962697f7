/**
 * Timeouts that a role, a database or the whole server may have set, and that
 * would end the worker's sessions:
 *
 * - transaction_timeout, which PostgreSQL 17 brought, in the middle of a
 *   transaction that takes longer to be read, or to be stored, however often
 *   that is tried: the trail would stand still for ever, and the source keep
 *   its log.
 * - idle_session_timeout, whenever nothing was written for a while: the next
 *   change would find the connection gone, and wait for a new session.
 */
import type { ClientBase } from "pg";

/** No options of the start-up packet: a server refuses what it does not know. */
export async function liftSessionTimeouts(client: ClientBase): Promise<void> {
  await client.query(
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('transaction_timeout', 'idle_session_timeout')",
  );
}
