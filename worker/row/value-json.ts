/**
 * PostgreSQL's text of a value to the JSON that `to_jsonb` gives for it, from
 * bytes to bytes. The text is the server's under pinned session settings
 * (`session.ts`); no JavaScript number or Date ever holds a value.
 */
import { createHash } from "node:crypto";
import { HASHED_BYTES } from "../stream/pgoutput";
import { writeArray } from "./array-json";
import type { ByteWriter } from "./byte-writer";
import { jsonbRefusal, mayBeTooDeep } from "./storable-json";
import type { ValueType } from "./value-types";

/** Stored for an out-of-line value that an UPDATE left alone. */
export const UNCHANGED_JSON = Buffer.from('{"$unchanged":true}');

const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const HEX = Buffer.from("0123456789abcdef");

/** Second byte of the two-byte escapes JSON has for control characters. */
const SHORT_ESCAPES: readonly (number | undefined)[] = (() => {
  const escapes: (number | undefined)[] = new Array(0x20).fill(undefined);
  escapes[0x08] = 0x62; // \b
  escapes[0x09] = 0x74; // \t
  escapes[0x0a] = 0x6e; // \n
  escapes[0x0c] = 0x66; // \f
  escapes[0x0d] = 0x72; // \r
  return escapes;
})();

/** Writes `source[start, end)`, the text of a value of `type`, as JSON. */
export function writeValue(
  out: ByteWriter,
  type: ValueType,
  source: Buffer,
  start: number,
  end: number,
): void {
  switch (type.form) {
    case "number":
      return writeNumber(out, source, start, end);
    case "boolean":
      return out.bytes(source[start] === 0x74 ? TRUE : FALSE);
    case "timestamp":
      return writeTimestamp(out, source, start, end);
    case "jsonb":
      return writeJsonb(out, source, start, end);
    case "json":
      return writeJson(out, source, start, end);
    case "char":
      return writeChar(out, source, start, end);
    case "array":
      return writeArray(out, type, source, start, end);
    default:
      return writeString(out, source, start, end);
  }
}

/** The marker in place of a value over MAX_VALUE_BYTES. */
export function writeOmitted(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
): void {
  const sha256 = createHash("sha256")
    .update(source.subarray(start, end))
    .digest("hex");
  out.bytes(omittedJson(end - start, sha256));
}

/** The same of a value that was hashed as it arrived, at `start`. */
export function writeHashed(
  out: ByteWriter,
  source: Buffer,
  start: number,
): void {
  const bytes = source.readUInt32BE(start);
  const sha256 = source.toString("hex", start + 4, start + HASHED_BYTES);
  out.bytes(omittedJson(bytes, sha256));
}

function omittedJson(bytes: number, sha256: string): Buffer {
  return Buffer.from(`{"$omitted":{"bytes":${bytes},"sha256":"${sha256}"}}`);
}

/** A JSON string, quotes included. */
export function writeString(
  out: ByteWriter,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  out.byte(QUOTE);
  // In slices, so that the room for the worst case (\u00XX for each byte)
  // does not grow with the value.
  for (let from = start; from < end; from += SLICE_BYTES) {
    writeSlice(out, source, from, Math.min(end, from + SLICE_BYTES));
  }
  out.byte(QUOTE);
}

const SLICE_BYTES = 4096;

/** A control character is six bytes of a JSON string: \u0001. */
export const MAX_ESCAPE_BYTES = 6;

/** How long `writeString` makes it. */
export function stringBytes(
  source: Uint8Array,
  start: number,
  end: number,
): number {
  let bytes = 2;
  for (let at = start; at < end; at++) {
    const byte = source[at] as number;
    if (byte >= 0x20) bytes += byte === QUOTE || byte === BACKSLASH ? 2 : 1;
    else bytes += SHORT_ESCAPES[byte] === undefined ? MAX_ESCAPE_BYTES : 2;
  }
  return bytes;
}

function writeSlice(
  out: ByteWriter,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  const target = out.reserve((end - start) * 6);
  let at = out.length;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
      target[at++] = byte;
      continue;
    }
    target[at++] = BACKSLASH;
    const short = byte < 0x20 ? SHORT_ESCAPES[byte] : byte;
    if (short !== undefined) {
      target[at++] = short;
    } else {
      target[at++] = 0x75; // u
      target[at++] = 0x30;
      target[at++] = 0x30;
      target[at++] = HEX[byte >> 4] as number;
      target[at++] = HEX[byte & 15] as number;
    }
  }
  out.length = at;
}

/**
 * `"char"` is one byte, whatever the encoding. Over 127 PostgreSQL 16 and later
 * print it as `\\203`; 14 and 15 send the byte alone, which is no UTF-8 and would
 * be refused by every destination. It is then written as the later ones do.
 */
function writeChar(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
): void {
  const byte = source[start] as number;
  if (end - start !== 1 || byte < 0x80) {
    return writeString(out, source, start, end);
  }
  const octal = Buffer.from(`\\${byte.toString(8)}`);
  writeString(out, octal, 0, octal.length);
}

/** Digits verbatim; NaN and the infinities as strings, like `to_jsonb`. */
function writeNumber(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
): void {
  const first = source[start] as number;
  const second = source[start + 1] as number;
  const finite = first < 0x40 && !(first === 0x2d && second >= 0x40);
  if (finite) out.bytes(source, start, end);
  else writeString(out, source, start, end);
}

/**
 * `2024-07-04 12:00:00+00` becomes `"2024-07-04T12:00:00+00:00"`: to_jsonb
 * writes ISO 8601 with minutes in the zone. `infinity` stays as it is, an era
 * (`BC`) stays behind.
 */
function writeTimestamp(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
): void {
  const target = out.reserve(end - start + 5);
  let at = out.length;
  let separated = false;
  target[at++] = QUOTE;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    if (byte === 0x20 && !separated) {
      separated = true;
      target[at++] = 0x54; // T
    } else if (byte === 0x2b) {
      // The zone is pinned to UTC, so its text is always +00.
      target[at++] = byte;
      target[at++] = source[++i] as number;
      target[at++] = source[++i] as number;
      target[at++] = 0x3a;
      target[at++] = 0x30;
      target[at++] = 0x30;
    } else {
      target[at++] = byte;
    }
  }
  target[at++] = QUOTE;
  out.length = at;
}

/** json verbatim; what jsonb cannot hold becomes its text under a marker. */
function writeJson(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
): void {
  if (jsonbRefusal(source, start, end) === undefined) {
    out.bytes(source, start, end);
    return;
  }
  out.bytes(JSON_TEXT);
  writeString(out, source, start, end);
  out.byte(0x7d);
}

/**
 * jsonb verbatim: the server has made sure of everything but its depth, which
 * is one more in the row, and for which a destination may have a smaller stack.
 */
function writeJsonb(
  out: ByteWriter,
  source: Buffer,
  start: number,
  end: number,
): void {
  if (mayBeTooDeep(source, start, end)) writeJson(out, source, start, end);
  else out.bytes(source, start, end);
}

const JSON_TEXT = Buffer.from('{"$json_text":');
