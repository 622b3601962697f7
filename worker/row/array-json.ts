/**
 * PostgreSQL's array text to a JSON array, as `to_jsonb` gives it.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
import { ByteWriter } from "./byte-writer";
import { writeString, writeValue } from "./value-json";
import type { ValueType } from "./value-types";

const OPEN = 0x7b;
const CLOSE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const NULL_TEXT = Buffer.from("NULL");
const NULL_JSON = Buffer.from("null");

/** Holds an element's text without its quotes; reused, since rendering is synchronous. */
const element = new ByteWriter(256);

/**
 * Writes `source[start, end)`. An array with lower bounds of its own
 * (`[2:3]={a,b}`) is written as its text: JSON arrays have no bounds, and the
 * row could not be given back without them.
 */
export function writeArray(
  out: ByteWriter,
  type: Extract<ValueType, { form: "array" }>,
  source: Buffer,
  start: number,
  end: number,
): void {
  if (source[start] === BRACKET) {
    writeString(out, source, start, end);
    return;
  }
  let at = start;
  while (at < end) {
    const byte = source[at] as number;
    if (byte === OPEN) {
      out.byte(BRACKET);
      at++;
    } else if (byte === CLOSE) {
      out.byte(0x5d);
      at++;
    } else if (byte === type.delimiter) {
      out.byte(0x2c);
      at++;
    } else if (byte === QUOTE) {
      at = unquote(source, at + 1, end);
      writeValue(out, type.element, element.buffer, 0, element.length);
    } else {
      at = writeBare(out, type, source, at, end);
    }
  }
}

/** Copies a quoted element's text and returns what follows its closing quote. */
function unquote(source: Buffer, start: number, end: number): number {
  element.length = 0;
  let at = start;
  while (at < end) {
    const byte = source[at++] as number;
    if (byte === QUOTE) return at;
    element.byte(byte === BACKSLASH ? (source[at++] as number) : byte);
  }
  throw new Error("array text ends inside a quoted element");
}

function writeBare(
  out: ByteWriter,
  type: Extract<ValueType, { form: "array" }>,
  source: Buffer,
  start: number,
  end: number,
): number {
  let at = start;
  while (at < end && source[at] !== type.delimiter && source[at] !== CLOSE) {
    at++;
  }
  // Only a bare NULL is null: the text "NULL" comes quoted.
  if (
    at - start === NULL_TEXT.length &&
    source.compare(NULL_TEXT, 0, NULL_TEXT.length, start, at) === 0
  ) {
    out.bytes(NULL_JSON);
  } else {
    writeValue(out, type.element, source, start, at);
  }
  return at;
}
