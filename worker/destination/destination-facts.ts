/** Everything about the destination's server that a check decides by. */
import type { Client } from "pg";
import { readWatermark, type Watermark } from "./watermark";

export interface DestinationFacts {
  /** As in 180004. */
  readonly versionNum: number;
  readonly inRecovery: boolean;
  readonly encoding: string;
  readonly role: string;
  /** On the schema public. */
  readonly mayCreate: boolean;
  /** The worker's tables that are there. */
  readonly tables: readonly string[];
  /** Those of them that belong to a role this one is no member of. */
  readonly foreignOwned: readonly string[];
  /** Of this session; the worker asks for one minute in its start-up packet. */
  readonly idleTimeout: string;
}

/** Reads the catalogue only: the tables may be missing, or not be ours. */
export async function readDestinationFacts(
  client: Client,
): Promise<DestinationFacts> {
  const { rows } = await client.query<DestinationFacts>(`
    WITH own AS (
      SELECT c.relname, pg_has_role(c.relowner, 'USAGE') AS "mayUse"
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
       WHERE c.relname IN ('changes', '_bemi_watermarks', '_bemi_gaps', '_bemi_schema_changes', '_bemi_migrations')
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
    SELECT current_setting('server_version_num')::int AS "versionNum",
      pg_is_in_recovery() AS "inRecovery",
      pg_encoding_to_char(d.encoding)::text AS encoding,
      current_user::text AS role,
      coalesce((SELECT has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE')
                  FROM pg_namespace n WHERE n.nspname = 'public'), false) AS "mayCreate",
      (SELECT coalesce(json_agg(relname ORDER BY relname), '[]') FROM own) AS tables,
      (SELECT coalesce(json_agg(relname ORDER BY relname), '[]') FROM own WHERE NOT "mayUse") AS "foreignOwned",
      current_setting('idle_in_transaction_session_timeout') AS "idleTimeout"
      FROM pg_database d WHERE d.datname = current_database()`);
  const [facts] = rows;
  if (!facts) throw new Error("the destination answered no row about itself");
  return facts;
}

/** The watermark, where there is a table of them that may be read. */
export async function findWatermark(
  client: Client,
  { tables, foreignOwned, mayCreate }: DestinationFacts,
  trail: { readonly database: string; readonly slotName: string },
): Promise<Watermark | undefined> {
  const name = "_bemi_watermarks";
  const readable =
    mayCreate && tables.includes(name) && !foreignOwned.includes(name);
  return readable
    ? readWatermark(client, trail.database, trail.slotName)
    : undefined;
}
