/**
 * Who holds what a statement of ours waited for. From pg_locks, which shows
 * everybody's locks to everybody, while pg_stat_activity hides the transactions
 * of other users. Never with the query's text: it holds the customer's data.
 */
import type { ClientBase } from "pg";

/** One sentence part: "pid 4711 (app, "psql", idle in transaction, 93 s)". */
export async function describeBlockers(
  client: ClientBase,
  /** Empty: every transaction that has written, which is what a slot awaits. */
  relationOids: readonly number[],
): Promise<string> {
  const held =
    relationOids.length > 0
      ? `l.locktype = 'relation' AND l.relation IN (${relationOids.join(", ")})
  AND l.database = (SELECT oid FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database())`
      : "l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock'";
  const { rows } = await client.query<Blocker>(`
SELECT l.pid, a.usename::text AS role, a.application_name AS application,
  a.state, extract(epoch FROM now() - a.xact_start)::int AS "ageSeconds"
FROM (SELECT DISTINCT l.pid FROM pg_catalog.pg_locks l
  WHERE l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND ${held}) l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
ORDER BY a.xact_start LIMIT 10`);
  return rows.length > 0
    ? rows.map(describe).join("; ")
    : "a transaction that has ended by now";
}

interface Blocker {
  /** Null for a prepared transaction, which has no session. */
  readonly pid: number | null;
  readonly role: string | null;
  readonly application: string | null;
  readonly state: string | null;
  readonly ageSeconds: number | null;
}

function describe(blocker: Blocker): string {
  if (blocker.pid === null) {
    return "a prepared transaction (see pg_prepared_xacts)";
  }
  const details = [
    blocker.role,
    blocker.application ? JSON.stringify(blocker.application) : undefined,
    blocker.state,
    blocker.ageSeconds === null ? undefined : `${blocker.ageSeconds} s`,
  ].filter((detail) => detail);
  return `pid ${blocker.pid} (${details.join(", ")})`;
}
