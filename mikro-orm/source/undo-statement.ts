/**
 * The statement that undoes one change. The server converts: values go back in
 * the JSON that they came out in, exactly, for every type. It finds its row only
 * when that is still as the change left it, column by column.
 */
import { type ChangeRow, titleOf } from "./change-rows";
import { exactValue, membersOf, textOf } from "./json-text";
import { type Members, markerOf } from "./snapshot";
import { identifier, literal } from "./undo-literal";

export interface UndoneTable {
  /** Columns of the key where known; it is looked up by them. */
  readonly key: readonly string[];
  /** Cannot be written, and follow from the others. */
  readonly generated: ReadonlySet<string>;
}

/**
 * @throws for a change that cannot be undone, with the reason.
 */
export function undoStatement(
  row: ChangeRow,
  table: UndoneTable,
  /** A later change, undone before, began with just what this one left. */
  isContinued = false,
): string | undefined {
  const before = membersOf(row.before);
  const after = membersOf(row.after);
  refuse(row);
  if (row.operation === "DELETE") return insertSql([row], table);
  const where = unchangedRow(row, after, table, isContinued);
  const name = tableName(row);
  if (row.operation === "CREATE")
    return `DELETE FROM ${name} AS t\n   WHERE ${where}`;
  const restored = changedColumns(row, before, after);
  const writable = [...restored.keys()].filter(
    (column) => !table.generated.has(column),
  );
  if (writable.length === 0) return undefined;
  const columns = writable.map(identifier);
  return `UPDATE ${name} AS t
     SET (${columns.join(", ")}) = (SELECT ${columns.map((one) => `u.${one}`).join(", ")} FROM pg_catalog.jsonb_populate_record(t.*, ${literal(json(restored))}) AS u)
   WHERE ${where}`;
}

export function refuse(row: ChangeRow): void {
  if (row.operation === "TRUNCATE")
    throw impossible(row, "the trail has no rows of a TRUNCATE");
  if (row.primaryKey === null)
    throw impossible(row, "without a primary key its row cannot be told");
  if (markerOf(row.primaryKey))
    throw impossible(row, "its primary key was too large to be stored");
}

/** Puts the rows of DELETEs back; of one table and with the same columns. */
export function insertSql(
  rows: readonly ChangeRow[],
  table: UndoneTable,
): string {
  const [first] = rows as readonly [ChangeRow];
  const members = rows.map((row) => deletedRow(row));
  const name = tableName(first);
  const columns = columnsOf(first, table).map(identifier);
  const source =
    rows.length === 1
      ? `jsonb_populate_record(NULL::${name}, ${literal(json(members[0] as Members))})`
      : `jsonb_populate_recordset(NULL::${name}, ${literal(`[${members.map(json).join(",\n")}]`)})`;
  return `INSERT INTO ${name} (${columns.join(", ")}) OVERRIDING SYSTEM VALUE
  SELECT ${columns.map((one) => `u.${one}`).join(", ")} FROM pg_catalog.${source} AS u`;
}

/**
 * With less than a full replica identity a DELETE has the key alone, and the rest
 * of the row would come back as its defaults. Whether the key is all that the
 * table has, the server knows; undefined where there is more.
 */
export function wholeRowCheck(row: ChangeRow): string | undefined {
  const values = [...membersOf(row.before).values()].map(textOf);
  const key = keyParts(row.primaryKey ?? "") ?? [row.primaryKey];
  if (values.length !== key.length) return undefined;
  if (!values.every((value) => key.includes(value))) return undefined;
  return `  IF (SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = ${literal(tableName(row))}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped) <> ${key.length} THEN
    RAISE EXCEPTION USING MESSAGE = ${literal(`nothing was undone: ${titleOf(row)}: the trail has its key and not the rest of its row`)};
  END IF;
`;
}

/** Those of a deleted row that can be written. */
export function columnsOf(
  { before }: ChangeRow,
  { generated }: UndoneTable,
): readonly string[] {
  return [...membersOf(before).keys()].filter((name) => !generated.has(name));
}

function deletedRow(row: ChangeRow): Members {
  const before = membersOf(row.before);
  if (before.size === 0) throw impossible(row, "its row was not recorded");
  for (const [column, value] of before) refuseMarker(row, column, value);
  return before;
}

/** What the UPDATE changed, with the values of before. */
function changedColumns(
  row: ChangeRow,
  before: Members,
  after: Members,
): Members {
  const changed = new Map<string, string>();
  for (const [column, value] of after) {
    const former = before.get(column);
    if (former === value || markerOf(value) === "$unchanged") continue;
    if (former === undefined)
      throw impossible(row, `what "${column}" was before was not recorded`);
    refuseMarker(row, column, former);
    changed.set(column, former);
  }
  return changed;
}

/**
 * By the key, for its index, and then by all that is known. The row is the base
 * of the comparison, `t.*` because a column can be called t, so that a column
 * added since is left out of it; both sides
 * become jsonb in one session, so that the time zone does not matter.
 */
function unchangedRow(
  row: ChangeRow,
  after: Members,
  table: UndoneTable,
  isContinued: boolean,
): string {
  const known = new Map(after);
  for (const [column, value] of after) {
    if (markerOf(value) === "$unchanged") known.delete(column);
    else refuseMarker(row, column, value);
  }
  const conditions = keyColumns(row, known, table).map(
    (column) =>
      `t.${identifier(column)} = ${literal(textOf(known.get(column) ?? ""))}`,
  );
  // A trigger may have set something while the later one was undone.
  if (!isContinued || conditions.length === 0)
    conditions.push(
      `pg_catalog.to_jsonb(t.*) = pg_catalog.to_jsonb(pg_catalog.jsonb_populate_record(t.*, ${literal(json(known))}))`,
    );
  return conditions.join("\n     AND ");
}

/**
 * Where nobody knows the key: `id`, or the columns with the values of a composite
 * key. Only speed depends on it.
 */
function keyColumns(
  row: ChangeRow,
  known: Members,
  { key }: UndoneTable,
): readonly string[] {
  const parts = keyParts(row.primaryKey ?? "");
  const guess = parts ? [...known.keys()] : ["id"];
  return (key.length > 0 ? key : guess).filter((column) => {
    const value = known.get(column);
    if (value === undefined || !/^["\d-]/.test(value)) return false;
    const text = textOf(value);
    return key.length > 0 || (parts ?? [row.primaryKey]).includes(text);
  });
}

/** The values of a composite key. */
function keyParts(primaryKey: string): readonly string[] | undefined {
  if (!primaryKey.startsWith("[")) return undefined;
  try {
    const parts = exactValue(primaryKey);
    return Array.isArray(parts) ? parts.map(String) : undefined;
  } catch {
    return undefined;
  }
}

const MARKED = /^\{"\$(unchanged|omitted|json_text)": ?/;

function refuseMarker(row: ChangeRow, column: string, value: string): void {
  const kind = MARKED.exec(value)?.[1];
  if (!kind) return;
  throw impossible(
    row,
    {
      unchanged: `the value of "${column}" was not recorded`,
      omitted: `the value of "${column}" was too large to be recorded`,
      json_text: `jsonb cannot hold the value of "${column}", to compare it`,
    }[kind] ?? kind,
  );
}

export function impossible(row: ChangeRow, reason: string): Error {
  return new Error(`cannot undo the ${titleOf(row)}: ${reason}`);
}

function tableName({ schema, table }: ChangeRow): string {
  return `${identifier(schema)}.${identifier(table)}`;
}

function json(members: Members): string {
  const pairs = [...members].map(
    ([column, value]) => `${JSON.stringify(column)}: ${value}`,
  );
  return `{${pairs.join(", ")}}`;
}
