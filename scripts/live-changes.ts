/** Reads `changes` as it grows. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { type ChangeRow, renderChange } from "./changes-table";

const pollIntervalMs = 250;
const rowsPerPoll = 1_000;
const undefinedTable = "42P01";
const beforeAll = "00000000-0000-0000-0000-000000000000";

export interface LiveChangesOptions {
  /** Only changes of this source database. */
  readonly database: string;
  /** Starts after this change. @default the first one */
  readonly after?: string | undefined;
  /** Ends the sequence. */
  readonly signal: AbortSignal;
}

/**
 * Every change in commit order, which is the order of the ids. The table may
 * still be missing: the worker creates it.
 */
export async function* liveChanges(
  client: Client,
  { database, after = beforeAll, signal }: LiveChangesOptions,
): AsyncGenerator<ChangeRow, void, void> {
  let last = after;
  while (!signal.aborted) {
    const rows = await changesAfter(client, database, last);
    for (const row of rows) {
      last = row.id;
      yield row;
    }
    if (rows.length < rowsPerPoll)
      await sleep(pollIntervalMs, undefined, { signal }).catch(() => {});
  }
}

/** One line each, until the sequence ends. */
export async function printChanges(
  changes: AsyncIterable<ChangeRow>,
): Promise<void> {
  for await (const change of changes) console.log(renderChange(change));
}

/** The newest change there is, to follow only what comes after it. */
export async function newestChange(
  client: Client,
  database: string,
): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM changes WHERE "database" = $1 ORDER BY id DESC LIMIT 1',
    [database],
  );
  return rows[0]?.id;
}

/**
 * Values as text, exactly as the database has them. jsonb keeps no order of
 * keys, so a context is put in the order in which people ask: who, where, how.
 */
async function changesAfter(
  client: Client,
  database: string,
  id: string,
): Promise<ChangeRow[]> {
  const query = `
    SELECT id, primary_key, "table", operation,
      before::text, after::text,
      (SELECT '{' || coalesce(string_agg(to_json(key) || ': ' || value, ', '
          ORDER BY array_position('{user_id,endpoint,method}', key), key), '') || '}'
        FROM jsonb_each(context)) AS context,
      date_trunc('second', committed_at)::text AS committed_at
    FROM changes
    WHERE id > $1 AND "database" = $2
    ORDER BY id
    LIMIT ${rowsPerPoll}`;
  try {
    return (await client.query<ChangeRow>(query, [id, database])).rows;
  } catch (error) {
    if ((error as { code?: unknown }).code === undefinedTable) return [];
    throw error;
  }
}
