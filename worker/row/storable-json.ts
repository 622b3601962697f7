/**
 * What jsonb refuses although it is valid JSON. One such value in a batch would
 * stop the trail for ever, so it is found before it is sent.
 * https://www.postgresql.org/docs/current/datatype-json.html
 */

/** jsonb's numbers are numeric's: digits before and after the point. */
const MAX_INTEGER_DIGITS = 131_072;
const MAX_FRACTION_DIGITS = 16_383;
/** Well inside what max_stack_depth's default of 2 MB lets jsonb parse. */
const MAX_DEPTH = 2_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Why jsonb would refuse this valid JSON text, or undefined. */
export function jsonbRefusal(
  source: Uint8Array,
  start: number,
  end: number,
): "nul" | "surrogate" | "number" | "depth" | undefined {
  let depth = 0;
  let at = start;
  while (at < end) {
    const byte = source[at] as number;
    if (byte === QUOTE) {
      const closing = scanString(source, at + 1, end);
      if (typeof closing === "string") return closing;
      at = closing;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DEPTH) return "depth";
      at++;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
      at++;
    } else if (byte === 0x2d || isDigit(byte)) {
      const after = scanNumber(source, at, end);
      if (after === undefined) return "number";
      at = after;
    } else {
      at++;
    }
  }
  return undefined;
}

/** A quick look, for what can be refused for its depth alone. */
export function mayBeTooDeep(
  source: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (end - start <= 2 * MAX_DEPTH) return false;
  let opened = 0;
  for (let at = start; at < end; at++) {
    const byte = source[at] as number;
    if (byte === 0x7b || byte === 0x5b) opened++;
  }
  return opened > MAX_DEPTH;
}

/** Position after the closing quote, or what jsonb dislikes. */
function scanString(
  source: Uint8Array,
  start: number,
  end: number,
): number | "nul" | "surrogate" {
  let at = start;
  let high = false;
  while (at < end) {
    const byte = source[at] as number;
    const escaped = byte === BACKSLASH;
    const unit =
      escaped && source[at + 1] === 0x75 ? hexUnit(source, at + 2) : undefined;
    const low = unit !== undefined && unit >= 0xdc00 && unit <= 0xdfff;
    if (high !== low) return "surrogate";
    high = unit !== undefined && unit >= 0xd800 && unit <= 0xdbff;
    if (unit === 0) return "nul";
    if (byte === QUOTE) return at + 1;
    at += unit !== undefined ? 6 : escaped ? 2 : 1;
  }
  return at;
}

function hexUnit(source: Uint8Array, start: number): number {
  return Number.parseInt(
    String.fromCharCode(...source.subarray(start, start + 4)),
    16,
  );
}

/** Position after the number, or undefined when numeric cannot hold it. */
function scanNumber(
  source: Uint8Array,
  start: number,
  end: number,
): number | undefined {
  let at = start;
  let integerDigits = 0;
  let fractionDigits = 0;
  let inFraction = false;
  for (; at < end; at++) {
    const byte = source[at] as number;
    if (byte === 0x2e) inFraction = true;
    else if (isDigit(byte)) inFraction ? fractionDigits++ : integerDigits++;
    else if (byte !== 0x2d) break;
  }
  let exponent = 0;
  if (((source[at] ?? 0) | 0x20) === 0x65) {
    const from = ++at;
    while (at < end && /[-+0-9]/.test(String.fromCharCode(source[at] ?? 0))) {
      at++;
    }
    exponent = Number(String.fromCharCode(...source.subarray(from, at)));
  }
  const storable =
    integerDigits + exponent <= MAX_INTEGER_DIGITS &&
    fractionDigits - exponent <= MAX_FRACTION_DIGITS;
  return storable ? at : undefined;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
