/**
 * A connection that takes writes. After a failover a name may lead to a standby
 * for a while, or to the former primary: what it has of the trail may be old,
 * and would look like a gap.
 */
import type { Client } from "pg";
import { UnreachableError } from "../errors";
import type { Servers } from "../network/servers";

/** @throws UnreachableError for a server that takes none now. */
export async function reachDestination(
  servers: Pick<Servers, "connectDestination">,
): Promise<Client> {
  const client = await servers.connectDestination();
  // On in recovery, too, and on Aurora's readers.
  const { rows } = await client.query("SHOW transaction_read_only");
  if (rows[0]?.transaction_read_only === "off") return client;
  throw new UnreachableError(
    "the destination takes no writes now: a standby, a reader, or a server with default_transaction_read_only: point DEST_DB_HOST at the primary if it lasts",
  );
}
