/**
 * A change's `before`, `after` and primary key, rendered from the tuples of its
 * message. Only what is really known is written: a value that is not on the
 * wire is marked or left out, never shown as null.
 */

import {
  HASHED,
  HASHED_BYTES,
  NULL,
  type Tuple,
  UNCHANGED,
} from "../stream/pgoutput";
import type { Column, Relation } from "../stream/relation";
import type { ByteWriter } from "./byte-writer";
import {
  MAX_ESCAPE_BYTES,
  stringBytes,
  UNCHANGED_JSON,
  writeHashed,
  writeOmitted,
  writeValue,
} from "./value-json";

const NULL_JSON = Buffer.from("null");
const NULL_LENGTH = -1;
/**
 * All values of a row together have to fit into one jsonb object: 256 MB, here
 * less 1 MB for the keys. One row that does not would stop the trail for ever.
 */
const MAX_ROW_BYTES = 255 * 1024 * 1024;
/** `1,` are two bytes of a list's text, and twelve of jsonb. */
const MAX_LIST_GROWTH = 6;
/**
 * And its text, less 24 MB for the keys, into one field, for which PostgreSQL
 * allocates less than 1 GB: 180 MB of control characters have 1 GB of escapes.
 */
const MAX_TEXT_BYTES = 1000 * 1024 * 1024;

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
  const begin = out.length;
  let room = MAX_ROW_BYTES;
  let separator = false;
  out.byte(0x7b);
  for (let index = 0; index < before.count; index++) {
    const column = relation.columns[index] as Column;
    if (readsNullOnly(row, index)) continue;
    if (separator) out.byte(0x2c);
    separator = true;
    const textRoom = begin + MAX_TEXT_BYTES - out.length;
    room -= writeMember(out, row, column, before, index, { room, textRoom });
  }
  out.byte(0x7d);
}

/** The new row; what the UPDATE left out of line comes from the old one. */
export function writeAfter(out: ByteWriter, row: RowValues): void {
  const { relation, after } = row;
  const begin = out.length;
  let room = MAX_ROW_BYTES;
  out.byte(0x7b);
  for (let index = 0; index < after.count; index++) {
    if (index > 0) out.byte(0x2c);
    const column = relation.columns[index] as Column;
    const tuple = tupleWith(row, after, index) ?? after;
    const textRoom = begin + MAX_TEXT_BYTES - out.length;
    room -= writeMember(out, row, column, tuple, index, { room, textRoom });
  }
  out.byte(0x7d);
}

/**
 * The tuple that has a column's value: `tuple`, or else the old row, which may
 * know no more than its key; undefined when the value is not on the wire.
 */
function tupleWith(
  row: RowValues,
  tuple: Tuple,
  index: number,
): Tuple | undefined {
  if (has(row, tuple, index)) return tuple;
  return has(row, row.before, index) ? row.before : undefined;
}

function has(row: RowValues, tuple: Tuple, index: number): boolean {
  if (tuple.count < 0 || tuple.lengths[index] === UNCHANGED) return false;
  return tuple !== row.before || !readsNullOnly(row, index);
}

/** Whether the old row's column reads null without anybody knowing its value. */
function readsNullOnly(
  { relation, before }: RowValues,
  index: number,
): boolean {
  if (relation.partitioned) return before.lengths[index] === NULL;
  return before.keyOnly && !relation.columns[index]?.inIdentity;
}

/** Returns what the value may take of the row's `room` in jsonb. */
function writeMember(
  out: ByteWriter,
  row: RowValues,
  column: Column,
  tuple: Tuple,
  index: number,
  { room, textRoom }: { readonly room: number; readonly textRoom: number },
): number {
  out.bytes(column.jsonKey);
  const start = tuple.starts[index] as number;
  const length = tuple.lengths[index] as number;
  const bytes = jsonbBytes(column, length);
  const isTooLong =
    length * MAX_ESCAPE_BYTES > textRoom &&
    stringBytes(row.block, start, start + length) > textRoom;
  if (bytes > room || isTooLong) {
    writeOmitted(out, row.block, start, start + length);
    return 0;
  }
  writeTupleValue(out, row, column, tuple, index);
  return bytes;
}

/** The most that a value of this length takes in jsonb. */
function jsonbBytes({ type: { form } }: Column, length: number): number {
  const isList = form === "array" || form === "json" || form === "jsonb";
  return isList ? length * MAX_LIST_GROWTH : length;
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
  else if (length === HASHED) writeHashed(out, row.block, start);
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
  const { key } = row.relation;
  if (!isKeyKnown(row, tuple)) {
    out.int32(NULL_LENGTH);
    return;
  }
  const field = out.beginField();
  if (key.length === 1) writeKeyText(out, row, tuple, key[0] as number);
  else writeKeyArray(out, row, tuple);
  if (out.length - field > MAX_KEY_BYTES) {
    const text = out.buffer.subarray(field, out.length);
    out.length = field;
    writeOmitted(out, text, 0, text.length);
  }
  out.endField(field);
}

/**
 * The destination has an index on table and key, whose entries are limited to
 * 2,704 bytes: one row with a longer key would stop the trail for ever.
 */
const MAX_KEY_BYTES = 2_600;

function isKeyKnown(row: RowValues, tuple: Tuple): boolean {
  const { key } = row.relation;
  for (const index of key) {
    const source = tupleWith(row, tuple, index);
    // A column `id` that is no real key may be null.
    if (!source || source.lengths[index] === NULL) return false;
  }
  return key.length > 0;
}

function writeKeyText(
  out: ByteWriter,
  row: RowValues,
  tuple: Tuple,
  index: number,
): void {
  const source = tupleWith(row, tuple, index) as Tuple;
  const start = source.starts[index] as number;
  const length = source.lengths[index] as number;
  if (length === HASHED) writeHashed(out, row.block, start);
  else out.bytes(row.block, start, start + length);
}

function writeKeyArray(out: ByteWriter, row: RowValues, tuple: Tuple): void {
  const { columns, key } = row.relation;
  for (let place = 0; place < key.length; place++) {
    out.byte(place === 0 ? 0x5b : 0x2c);
    const index = key[place] as number;
    const source = tupleWith(row, tuple, index) as Tuple;
    writeTupleValue(out, row, columns[index] as Column, source, index);
  }
  out.byte(0x5d);
}

/**
 * Whether an UPDATE changed nothing but ignored columns. Without the whole old
 * row nobody can tell, and the change is recorded.
 */
export function changesOnlyIgnored(row: RowValues): boolean {
  const { relation, before, after, block } = row;
  if (!relation.hasIgnoredColumns || relation.partitioned) return false;
  if (before.count !== after.count || before.keyOnly) return false;
  for (let index = 0; index < after.count; index++) {
    if (relation.columns[index]?.ignored) continue;
    const length = after.lengths[index] as number;
    if (length === UNCHANGED) continue;
    if (length !== before.lengths[index]) return false;
    // Of values too large to be held, their lengths and hashes are compared.
    const bytes = length === HASHED ? HASHED_BYTES : length;
    if (bytes <= 0) continue;
    const start = after.starts[index] as number;
    const old = before.starts[index] as number;
    if (block.compare(block, old, old + bytes, start, start + bytes) !== 0) {
      return false;
    }
  }
  return true;
}
