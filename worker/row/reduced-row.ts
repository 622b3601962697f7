/**
 * A finished row that the destination refuses, in forms that say less: a hash in
 * place of what it may be refused for. Its id, time, table, operation and
 * position stay, so that the trail still has every change in its place.
 */
import { createHash } from "node:crypto";
import { formatLsn } from "../lsn";
import { COPY_COLUMNS, jsonField, textField } from "./change-row";

/** Where each row begins, and behind the last one where they end. */
export function rowStarts(rows: Buffer): number[] {
  const starts = [0];
  for (let at = 0; at < rows.length; ) {
    at = fieldBounds(rows, at).at(-1) as number;
    starts.push(at);
  }
  return starts;
}

/** What may be said of a row in a log. */
export interface RowPlace {
  readonly id: string;
  readonly schema: string;
  readonly table: string;
  readonly operation: string;
  /** As in 0/1FBD9B0. */
  readonly position: string;
}

export function rowPlace(row: Buffer): RowPlace {
  const [id, schema, table, operation, position] = [
    "id",
    "schema",
    '"table"',
    "operation",
    "position",
  ].map((name) => fieldOf(row, name)) as [Buffer, ...Buffer[]];
  return {
    id: id
      .toString("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    schema: String(schema),
    table: String(table),
    operation: String(operation),
    position: formatLsn(position?.readBigUInt64BE() ?? 0n),
  };
}

export interface ReducedRow {
  /** Names of the columns that hold a marker. */
  readonly columns: readonly string[];
  readonly row: Buffer;
}

/** From the one that says most to the one that says least; made one by one. */
export function* reducedRows(
  row: Buffer,
  sqlState: string,
): Generator<ReducedRow> {
  for (const columns of REDUCTIONS) {
    const { reduced, changed } = reduce(row, columns, sqlState);
    if (changed.length > 0) yield { columns: changed, row: reduced };
  }
}

/** Who did it and to which row is worth more than what was in it. */
const REDUCTIONS: readonly (readonly string[])[] = [
  ["primary_key"],
  ["context"],
  ["before", "after"],
  ["primary_key", "before", "after", "context"],
];

function reduce(
  row: Buffer,
  columns: readonly string[],
  sqlState: string,
): { reduced: Buffer; changed: string[] } {
  const bounds = fieldBounds(row, 0);
  const parts: Buffer[] = [row.subarray(0, bounds[0])];
  const changed: string[] = [];
  COPY_COLUMNS.forEach((name, index) => {
    const field = row.subarray(bounds[index], bounds[index + 1]);
    const marker = columns.includes(name) && markerFor(name, field, sqlState);
    if (marker) changed.push(name);
    parts.push(marker || field);
  });
  return { reduced: Buffer.concat(parts), changed };
}

/** Undefined where there is nothing to leave out: null, and `{}`. */
function markerFor(
  name: string,
  field: Buffer,
  sqlState: string,
): Buffer | undefined {
  const isText = name === "primary_key";
  const value = field.subarray(isText ? 4 : 5);
  if (field.readInt32BE() < 0 || (!isText && value.length <= 2)) {
    return undefined;
  }
  const sha256 = createHash("sha256").update(value).digest("hex");
  const marker = JSON.stringify({
    $omitted: { bytes: value.length, sha256, error: sqlState },
  });
  return isText ? textField(marker) : jsonField(Buffer.from(marker));
}

/** A field's bytes, without its length. */
function fieldOf(row: Buffer, name: string): Buffer {
  const index = (COPY_COLUMNS as readonly string[]).indexOf(name);
  const bounds = fieldBounds(row, 0);
  return row.subarray((bounds[index] as number) + 4, bounds[index + 1]);
}

/** Where the fields of the row at `start` begin, and where the last one ends. */
function fieldBounds(rows: Buffer, start: number): number[] {
  if (rows.readInt16BE(start) !== COPY_COLUMNS.length) {
    throw new Error("not a row of COPY");
  }
  const bounds = [start + 2];
  for (let field = 0; field < COPY_COLUMNS.length; field++) {
    const at = bounds[field] as number;
    bounds.push(at + 4 + Math.max(0, rows.readInt32BE(at)));
  }
  return bounds;
}
