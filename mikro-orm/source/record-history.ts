/** Every change of one record. */
import type { Change } from "./change";
import { type Bounds, type ChangeRow, changeOf } from "./change-rows";
import { membersOf } from "./json-text";
import { backwards } from "./record-changes";
import { keyForms, type RecordKey } from "./record-key";
import { type Snapshot, snapshotOf } from "./snapshot";
import {
  asTable,
  type ChangesDatabase,
  type RowOf,
  type TableName,
} from "./tracked-table";

/** A change with the record before and after it. */
export interface RecordChange<Row extends object>
  extends Omit<Change, "before" | "after"> {
  /** Undefined for CREATE and TRUNCATE. */
  readonly before: Snapshot<Row> | undefined;
  /** Undefined for DELETE and TRUNCATE. */
  readonly after: Snapshot<Row> | undefined;
}

export interface HistoryOptions extends Bounds {
  /** Only older changes than the one with this id: the next page. */
  readonly before?: string;
  /** A whole number, 1 at least. Default: 1,000. */
  readonly limit?: number;
}

/**
 * A record's changes, newest first, in the reverse order of the commits. They go
 * on under the key that it had before, and TRUNCATEs of its table are among
 * them. `em` is that which reaches `changes`; give it a table of `tableOf` where
 * it does not know the entity.
 *
 * @throws RangeError for another `limit`
 */
export async function recordHistory<Name extends TableName>(
  em: ChangesDatabase,
  name: Name,
  key: RecordKey,
  { limit = 1_000, ...options }: HistoryOptions = {},
): Promise<RecordChange<RowOf<Name>>[]> {
  // It becomes SQL, and can come from a request, which has text.
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new RangeError(`limit is a whole number of at least 1, not ${limit}`);
  const table = asTable(em, name);
  const tables = new Set([table.table]);
  const history: ChangeRow[] = [];
  const reading = { ...options, limit, truncates: true };
  for await (const row of backwards(em, table, keyForms(table, key), reading)) {
    if (row.operation !== "TRUNCATE") tables.add(row.table);
    history.push(row);
    if (history.length === limit) break;
  }
  return history
    .filter((row) => tables.has(row.table))
    .map((row) => {
      const side = (json: string) =>
        json === "{}"
          ? undefined
          : (snapshotOf(table, membersOf(json)) as Snapshot<RowOf<Name>>);
      return {
        ...changeOf(row),
        before: side(row.before),
        after: side(row.after),
      };
    });
}
