/**
 * Which server this is. A restored or cloned server behind the same name has
 * positions that look like a continuation and are not.
 */
import type { ClientBase } from "pg";
import { errorCode, SQLSTATE } from "../sql-state";

export interface SourceIdentity {
  /** Decimal digits, as IDENTIFY_SYSTEM prints them. */
  readonly systemIdentifier: string;
  readonly timeline: number;
}

/** Undefined where the user may not call the functions, as on some clouds. */
export async function readIdentity(
  client: ClientBase,
): Promise<SourceIdentity | undefined> {
  try {
    const { rows } = await client.query<SourceIdentity>(IDENTITY);
    return rows[0];
  } catch (error) {
    const code = errorCode(error);
    if (code !== undefined && UNAVAILABLE.has(code)) return undefined;
    throw error;
  }
}

const UNAVAILABLE: ReadonlySet<string> = new Set([
  SQLSTATE.insufficientPrivilege,
  SQLSTATE.featureNotSupported,
  SQLSTATE.undefinedFunction,
]);

/**
 * pg_control_checkpoint() keeps the old timeline from a promotion until the
 * next checkpoint; the current WAL file's name, which only a primary has, does
 * not.
 */
const IDENTITY = `
SELECT s.system_identifier::text AS "systemIdentifier",
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN c.timeline_id
  ELSE ('x' || left(pg_catalog.pg_walfile_name(
    pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline
FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c`;
