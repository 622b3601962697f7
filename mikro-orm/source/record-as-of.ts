/** One record as it was. */
import {
  all,
  type Bounds,
  type ChangeRow,
  oneOf,
  readChanges,
  sql,
  type Time,
  within,
} from "./change-rows";
import { membersOf } from "./json-text";
import { backwards, formerKey, recordChanges } from "./record-changes";
import { type KeyForms, keyForms, type RecordKey } from "./record-key";
import { type Members, markerOf, type Snapshot, snapshotOf } from "./snapshot";
import {
  asTable,
  type ChangesDatabase,
  type RowOf,
  type Table,
  type TableName,
} from "./tracked-table";

export type AsOfOptions = Pick<Bounds, "database">;

/**
 * The record after all changes that were committed at `at` or earlier; null when
 * it was not there, undefined when the trail does not know: it has no change of
 * the record, or the first one is later and does not say what was before. A
 * record that is older than the trail is known from its first change on, for all
 * the time before.
 */
export async function recordAsOf<Name extends TableName>(
  em: ChangesDatabase,
  name: Name,
  key: RecordKey,
  at: Time,
  options: AsOfOptions = {},
): Promise<Snapshot<RowOf<Name>> | null | undefined> {
  const table = asTable(em, name);
  const forms = keyForms(table, key);
  const [last] = await recordChanges(em, table, forms, {
    ...options,
    to: at,
    newestFirst: true,
    limit: 1,
  });
  const members = last
    ? await afterMembers(em, table, forms, last, { ...options, to: at })
    : await earlierMembers(em, table, forms, at, options);
  return members && (snapshotOf(table, members) as Snapshot<RowOf<Name>>);
}

/** What the last change left. */
async function afterMembers(
  em: ChangesDatabase,
  table: Table<object>,
  forms: KeyForms,
  last: ChangeRow,
  bounds: Bounds,
): Promise<Members | null> {
  const isHere =
    last.primaryKey !== null && forms.texts.includes(last.primaryKey);
  if (last.operation === "DELETE" || !isHere) return null;
  const truncated = await lastTruncates(em, table, bounds, last);
  return truncated.length > 0 ? null : resolved(em, table, forms, last);
}

/** TRUNCATEs of a change's table, or of the whole of which it is a partition. */
async function lastTruncates(
  em: ChangesDatabase,
  table: Table<object>,
  bounds: Bounds,
  { id, table: name, database }: ChangeRow,
): Promise<readonly ChangeRow[]> {
  const { schema = "public" } = table;
  const arm = all([
    sql("operation = 'TRUNCATE' and schema = ?", schema),
    oneOf('"table"', [table.table, name]),
    ...within({ ...bounds, database }),
    sql("id > ?::uuid", id),
  ]);
  return readChanges(em, [arm], { newestFirst: true, limit: 1 });
}

/** What the first change of a record found. */
async function earlierMembers(
  em: ChangesDatabase,
  table: Table<object>,
  forms: KeyForms,
  at: Time,
  options: AsOfOptions,
): Promise<Members | null | undefined> {
  const [first] = await recordChanges(em, table, forms, {
    ...options,
    later: at,
    limit: 1,
  });
  return first && foundBy(table, forms, first);
}

export function foundBy(
  table: Table<object>,
  forms: KeyForms,
  first: ChangeRow,
): Members | null | undefined {
  const isHere =
    first.primaryKey !== null && forms.texts.includes(first.primaryKey);
  if (first.operation === "CREATE") return null;
  if (isHere && formerKey(table, first)) return null;
  const before = membersOf(first.before);
  if (before.size === 0) return undefined;
  // With less than a full replica identity it has the key alone.
  const whole = new Map(before);
  for (const column of membersOf(first.after).keys())
    if (!whole.has(column)) whole.set(column, UNCHANGED);
  return whole;
}

const UNCHANGED = '{"$unchanged": true}';
const PAGE = 100;

/** `after`, with the last known value of what the change did not touch. */
export async function resolved(
  em: ChangesDatabase,
  table: Table<object>,
  forms: KeyForms,
  change: ChangeRow,
): Promise<Members> {
  const members = new Map(membersOf(change.after));
  const isOpen = (json: string | undefined) => markerOf(json) === "$unchanged";
  const open = new Set(
    [...members].filter(([, json]) => isOpen(json)).map(([name]) => name),
  );
  const close = (found: Members) => {
    for (const name of open) {
      const json = found.get(name);
      if (json === undefined || isOpen(json)) continue;
      members.set(name, json);
      open.delete(name);
    }
  };
  close(membersOf(change.before));
  if (open.size === 0) return members;
  const earlier = backwards(em, table, forms, {
    database: change.database,
    before: change.id,
    truncates: true,
    limit: PAGE,
  });
  for await (const row of earlier) {
    if (row.operation === "DELETE" || row.operation === "TRUNCATE") break;
    close(membersOf(row.after));
    close(membersOf(row.before));
    if (open.size === 0 || row.operation === "CREATE") break;
  }
  return members;
}
