/**
 * transaction_timeout, which PostgreSQL 17 brought and a role, a database or the
 * whole server may have set. It ends the worker's session in the middle of a
 * transaction that takes longer to be read, or to be stored, however often that
 * is tried: the trail would stand still for ever, and the source keep its log.
 */
import type { ClientBase } from "pg";

/** No option of the start-up packet: older servers refuse what they do not know. */
export async function liftTransactionTimeout(
  client: ClientBase,
): Promise<void> {
  await client.query(
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'",
  );
}
