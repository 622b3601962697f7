/**
 * The changes of one record: those under its key, and the one that gave it
 * another key, which is stored under that one.
 */
import {
  all,
  type Bounds,
  type ChangeRow,
  committed,
  ofTable,
  oneOf,
  readChanges,
  type Sql,
  sql,
  within,
} from "./change-rows";
import { membersOf } from "./json-text";
import { type KeyForms, keyColumns, keyFormsOf } from "./record-key";
import type { ChangesDatabase, Table } from "./tracked-table";

export interface Reading extends Bounds {
  /** Committed later than this, unlike `from`. */
  readonly later?: Bounds["from"];
  /** Id of the change behind the newest one to read. */
  readonly before?: string;
  readonly newestFirst?: boolean;
  readonly truncates?: boolean;
  readonly limit: number;
}

/** Each arm has an index: on table and key, on `before`, on the operation. */
export async function recordChanges(
  em: ChangesDatabase,
  table: Table<object>,
  { texts, objects }: KeyForms,
  reading: Reading,
): Promise<readonly ChangeRow[]> {
  const { before, later, truncates = false, ...options } = reading;
  const common = [
    ofTable(table),
    ...within(reading),
    before === undefined ? undefined : sql("id < ?::uuid", before),
    later === undefined ? undefined : committed(">", later),
  ];
  const underKey = oneOf("primary_key", texts);
  const arms = [
    all([...common, underKey]),
    {
      ...all([
        ...common,
        sql("operation = 'UPDATE'"),
        sql(`not (${underKey.text})`, ...texts),
      ]),
      first: all([contained(objects), ...within(reading)]),
    },
    ...(truncates ? [all([...common, sql("operation = 'TRUNCATE'")])] : []),
  ];
  const rows = await readChanges(em, arms, options);
  const [found] = rows;
  if (found && reading.database === undefined) {
    const another = sql("database <> ?", found.database);
    const arm = all([...common, underKey, another]);
    const others = await readChanges(em, [arm], { limit: 1 });
    refuseSeveralSources(table, [...rows, ...others]);
  }
  return rows;
}

function contained(objects: readonly string[]): Sql {
  return sql(objects.map(() => "before @> ?::jsonb").join(" or "), ...objects);
}

/** Two databases can have the same table and key, and neither is the answer. */
export function refuseSeveralSources(
  { table }: Table<object>,
  rows: readonly ChangeRow[],
): void {
  const sources = [...new Set(rows.map(({ database }) => database))].sort();
  if (sources.length > 1)
    throw new Error(
      `changes holds "${table}" of several databases (${sources.join(", ")}); say which with the option database`,
    );
}

/** What a change that gave the record this key says of its former one. */
export function formerKey(
  table: Table<object>,
  row: ChangeRow,
): KeyForms | undefined {
  if (row.operation !== "UPDATE") return undefined;
  const before = membersOf(row.before);
  const after = membersOf(row.after);
  const columns = keyColumns(table);
  const values = columns.map((column) => before.get(column));
  const known = values.filter((value) => value !== undefined);
  if (known.length < columns.length) return undefined;
  const same = columns.every(
    (column) => before.get(column) === after.get(column),
  );
  return same ? undefined : keyFormsOf(table, known);
}

/**
 * Backwards from the newest, and on under the key that the record had before.
 * The consumer stops it.
 */
export async function* backwards(
  em: ChangesDatabase,
  table: Table<object>,
  key: KeyForms,
  reading: Omit<Reading, "newestFirst">,
): AsyncGenerator<ChangeRow> {
  let forms = key;
  let { before } = reading;
  for (;;) {
    const rows = await recordChanges(em, table, forms, {
      ...reading,
      ...(before === undefined ? {} : { before }),
      newestFirst: true,
    });
    let former: KeyForms | undefined;
    for (const row of rows) {
      yield row;
      before = row.id;
      const here =
        row.primaryKey !== null && forms.texts.includes(row.primaryKey);
      former = here ? formerKey(table, row) : undefined;
      if (former) break;
    }
    if (former) forms = former;
    else if (rows.length < reading.limit) return;
  }
}
