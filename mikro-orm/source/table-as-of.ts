/** All records of a table as they were, as far as the trail knows them. */
import {
  all,
  CHANGE_COLUMNS,
  type ChangeRow,
  ofTable,
  readChanges,
  relation,
  sql,
  type Time,
  timeText,
  within,
} from "./change-rows";
import { membersOf } from "./json-text";
import { type AsOfOptions, foundBy, resolved } from "./record-as-of";
import { refuseSeveralSources } from "./record-changes";
import { type KeyForms, keyColumns, keyFormsOf } from "./record-key";
import { type Members, type Snapshot, snapshotOf } from "./snapshot";
import {
  asTable,
  type ChangesDatabase,
  type RowOf,
  type Table,
  type TableName,
} from "./tracked-table";

export interface RecordSnapshot<Row extends object> extends Snapshot<Row> {
  /** As in `changes`. */
  readonly primaryKey: string;
}

const PAGE = 500;

/**
 * The records that were there after all changes committed at `at` or earlier, by
 * their key's text, read 500 at a time. A record that never changed since
 * tracking began is in no change, and so not here: for those, start from a
 * backup.
 */
export async function* tableAsOf<Name extends TableName>(
  em: ChangesDatabase,
  name: Name,
  at: Time,
  options: AsOfOptions = {},
): AsyncGenerator<RecordSnapshot<RowOf<Name>>> {
  const table = asTable(em, name);
  keyColumns(table);
  const truncates = await lastTruncates(em, table, at, options);
  let lastKey: string | undefined;
  for (;;) {
    const page = await decidingChanges(em, table, at, options, lastKey);
    refuseSeveralSources(table, page);
    const moved = await movedAway(em, table, at, page);
    for (const row of page) {
      lastKey = row.primaryKey;
      if (moved.has(row.id) || isTruncated(table, row, truncates)) continue;
      const members = await membersAt(em, table, row);
      if (!members) continue;
      const snapshot = snapshotOf(table, members) as Snapshot<RowOf<Name>>;
      yield { primaryKey: row.primaryKey, ...snapshot };
    }
    if (page.length < PAGE) return;
  }
}

interface DecidingChange extends ChangeRow {
  readonly primaryKey: string;
  /** Whether it is the last change until then, or the first one later. */
  readonly isEarlier: boolean;
}

/** In the order of the index on table and key, so that a page reads a page. */
async function decidingChanges(
  em: ChangesDatabase,
  table: Table<object>,
  at: Time,
  options: AsOfOptions,
  lastKey: string | undefined,
): Promise<readonly DecidingChange[]> {
  const where = all([
    ofTable(table),
    ...within(options),
    sql("operation <> 'TRUNCATE'"),
    lastKey === undefined
      ? sql("primary_key is not null")
      : sql("primary_key > ?", lastKey),
  ]);
  const isEarlier = "committed_at <= ?::timestamptz";
  const until = timeText(at);
  const rows = await em.execute(
    `select ${CHANGE_COLUMNS}, is_earlier as "isEarlier" from (
       select distinct on (primary_key, database) *, ${isEarlier} as is_earlier from public.changes where ${where.text}
        order by primary_key, database, ${isEarlier} desc, case when ${isEarlier} then id end desc nulls last, id limit ${PAGE}
     ) as changes order by changes.primary_key`,
    [until, ...where.params, until, until],
  );
  return rows as readonly DecidingChange[];
}

/** Ids of those whose record has another key by then. */
async function movedAway(
  em: ChangesDatabase,
  table: Table<object>,
  at: Time,
  page: readonly DecidingChange[],
): Promise<ReadonlySet<string>> {
  const present = page.filter((row) => row.isEarlier && row.after !== "{}");
  if (present.length === 0) return new Set();
  const moved = all([
    ofTable(table),
    sql("database = one.database and operation = 'UPDATE'"),
    sql("primary_key <> one.primary_key"),
    sql("id > one.id and committed_at <= ?::timestamptz", timeText(at)),
  ]);
  const values = present.map(() => "(?::uuid, ?, ?, ?::jsonb)").join(", ");
  const rows = await em.execute(
    `select id::text from (
       select one.id, (select true from ${relation(sql("before @> one.key"))} where ${moved.text} limit 1) as moved
         from (values ${values}) as one (id, database, primary_key, key)
     ) as each where moved`,
    [
      ...moved.params,
      ...present.flatMap((row) => [
        ...[row.id, row.database, row.primaryKey],
        formsOf(table, row).objects[0],
      ]),
    ],
  );
  return new Set((rows as { id: string }[]).map(({ id }) => id));
}

function formsOf(table: Table<object>, row: DecidingChange): KeyForms {
  const members = membersOf(row.after === "{}" ? row.before : row.after);
  const values = keyColumns(table).map((column) => {
    const json = members.get(column);
    if (json !== undefined) return json;
    throw new Error(
      `the key of "${table.table}" is said to have the column ${column}, and its changes have none`,
    );
  });
  return keyFormsOf(table, values);
}

async function membersAt(
  em: ChangesDatabase,
  table: Table<object>,
  row: DecidingChange,
): Promise<Members | null | undefined> {
  if (!row.isEarlier) return foundBy(table, formsOf(table, row), row);
  if (row.operation === "DELETE") return null;
  return resolved(em, table, formsOf(table, row), row);
}

/** The last TRUNCATE until then of the table and of each of its partitions. */
async function lastTruncates(
  em: ChangesDatabase,
  table: Table<object>,
  at: Time,
  options: AsOfOptions,
): Promise<ReadonlyMap<string, ChangeRow>> {
  const { partitions = [], schema = "public" } = table;
  const arms = [table.table, ...partitions].map((name) =>
    all([
      sql(
        `operation = 'TRUNCATE' and "table" = ? and schema = ?`,
        name,
        schema,
      ),
      ...within({ ...options, to: at }),
    ]),
  );
  const last = new Map<string, ChangeRow>();
  for (const arm of arms) {
    const [row] = await readChanges(em, [arm], { newestFirst: true, limit: 1 });
    if (row) last.set(row.table, row);
  }
  return last;
}

function isTruncated(
  table: Table<object>,
  row: DecidingChange,
  truncates: ReadonlyMap<string, ChangeRow>,
): boolean {
  const names = [table.table, row.table];
  return (
    row.isEarlier &&
    names.some((name) => (truncates.get(name)?.id ?? "") > row.id)
  );
}
