/**
 * A change's `before`, `after` and primary key, rendered from the tuples of its
 * message. Only what is really known is written: a value that is not on the
 * wire is marked or left out, never shown as null (H52, H57, H58).
 */
import type { ByteWriter } from "./byte-writer";
import { NULL, type Tuple, UNCHANGED } from "./pgoutput";
import type { Column, Relation } from "./relation";
import { UNCHANGED_JSON, writeOmitted, writeValue } from "./value-json";

const NULL_JSON = Buffer.from("null");
const NULL_LENGTH = -1;

export interface RowValues {
  readonly block: Buffer;
  readonly relation: Relation;
  readonly before: Tuple;
  readonly after: Tuple;
  readonly maxValueBytes: number;
}

/** The old row: all of it, its key, or `{}` where the stream has none. */
export function writeBefore(out: ByteWriter, row: RowValues): void {
  const { relation, before } = row;
  out.byte(0x7b);
  let separator = false;
  for (let index = 0; index < before.count; index++) {
    const column = relation.columns[index] as Column;
    // In a key-only tuple all other columns read null without being null.
    if (before.keyOnly && !column.inIdentity) continue;
    if (separator) out.byte(0x2c);
    separator = true;
    writeMember(out, row, column, before, index);
  }
  out.byte(0x7d);
}

/** The new row; what the UPDATE left out of line comes from the old one. */
export function writeAfter(out: ByteWriter, row: RowValues): void {
  const { relation, before, after } = row;
  const beforeKnown = before.count >= 0 && !before.keyOnly;
  out.byte(0x7b);
  for (let index = 0; index < after.count; index++) {
    if (index > 0) out.byte(0x2c);
    const fromBefore = after.lengths[index] === UNCHANGED && beforeKnown;
    writeMember(
      out,
      row,
      relation.columns[index] as Column,
      fromBefore ? before : after,
      index,
    );
  }
  out.byte(0x7d);
}

function writeMember(
  out: ByteWriter,
  row: RowValues,
  column: Column,
  tuple: Tuple,
  index: number,
): void {
  out.bytes(column.jsonKey);
  writeTupleValue(out, row, column, tuple, index);
}

function writeTupleValue(
  out: ByteWriter,
  row: RowValues,
  column: Column,
  tuple: Tuple,
  index: number,
): void {
  const length = tuple.lengths[index] as number;
  const start = tuple.starts[index] as number;
  if (length === NULL) out.bytes(NULL_JSON);
  else if (length === UNCHANGED) out.bytes(UNCHANGED_JSON);
  else if (length > row.maxValueBytes) {
    writeOmitted(out, row.block, start, start + length);
  } else {
    writeValue(out, column.type, row.block, start, start + length);
  }
}

/**
 * The field `primary_key`: a single column's text as it is, several as the text
 * of a JSON array, null where the key is not known.
 */
export function writePrimaryKey(
  out: ByteWriter,
  row: RowValues,
  tuple: Tuple,
): void {
  const { relation, before, block } = row;
  const known = relation.key.map((index) => {
    if (tuple.lengths[index] !== UNCHANGED) return tuple;
    return before.count >= 0 && !before.keyOnly ? before : undefined;
  });
  const complete = relation.key.every((index, position) => {
    const source = known[position];
    if (!source || source.lengths[index] === UNCHANGED) return false;
    return !source.keyOnly || relation.columns[index]?.inIdentity === true;
  });
  const first = relation.key[0];
  if (!complete || first === undefined) {
    out.int32(NULL_LENGTH);
    return;
  }
  if (relation.key.length === 1) {
    const source = known[0] as Tuple;
    const length = source.lengths[first] as number;
    const start = source.starts[first] as number;
    out.int32(length);
    if (length !== NULL) out.bytes(block, start, start + length);
    return;
  }
  const field = out.beginField();
  relation.key.forEach((index, position) => {
    out.byte(position === 0 ? 0x5b : 0x2c);
    const column = relation.columns[index] as Column;
    writeTupleValue(out, row, column, known[position] as Tuple, index);
  });
  out.byte(0x5d);
  out.endField(field);
}

/**
 * Whether an UPDATE changed nothing but ignored columns. Without the whole old
 * row nobody can tell, and the change is recorded.
 */
export function changesOnlyIgnored(row: RowValues): boolean {
  const { relation, before, after, block } = row;
  if (!relation.hasIgnoredColumns) return false;
  if (before.count !== after.count || before.keyOnly) return false;
  for (let index = 0; index < after.count; index++) {
    if (relation.columns[index]?.ignored) continue;
    const length = after.lengths[index] as number;
    if (length === UNCHANGED) continue;
    if (length !== before.lengths[index]) return false;
    if (length <= 0) continue;
    const start = after.starts[index] as number;
    const old = before.starts[index] as number;
    if (block.compare(block, old, old + length, start, start + length) !== 0) {
      return false;
    }
  }
  return true;
}
