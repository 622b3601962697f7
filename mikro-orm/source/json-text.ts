/**
 * jsonb as PostgreSQL writes it, read without losing digits. `JSON.parse` alone
 * makes 9007199254740992 of 9007199254740993, and says nothing.
 */

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/**
 * The value; a number that JavaScript cannot hold is a string of its digits, as
 * PostgreSQL writes them.
 */
export function exactValue(json: string): JsonValue {
  return JSON.parse(quoteInexact(json));
}

/** An object's members: name and JSON text of the value, in their order. */
export function membersOf(json: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  let at = 1;
  while (at < json.length) {
    const start = json.indexOf('"', at);
    if (start < 0) break;
    const end = endOfString(json, start);
    const from = json.indexOf(":", end) + 1;
    at = endOfValue(json, from);
    members.set(
      JSON.parse(json.slice(start, end)),
      json.slice(from, at).trim(),
    );
  }
  return members;
}

/** Digits stay digits, a string's quotes and escapes go: what `->>` gives. */
export function textOf(json: string): string {
  return json.startsWith('"') ? JSON.parse(json) : json;
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/y;

function quoteInexact(json: string): string {
  let quoted = "";
  let from = 0;
  let at = 0;
  while (at < json.length) {
    NUMBER.lastIndex = at;
    if (json[at] === '"') at = endOfString(json, at);
    else if (NUMBER.test(json)) {
      const number = json.slice(at, NUMBER.lastIndex);
      if (!isExact(number)) {
        quoted += `${json.slice(from, at)}"${number}"`;
        from = at + number.length;
      }
      at += number.length;
    } else at += 1;
  }
  return quoted + json.slice(from);
}

/** Position behind the closing quote of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  let quote = start;
  let backslashes: number;
  do {
    quote = json.indexOf('"', quote + 1);
    if (quote < 0) throw new SyntaxError("unterminated string in JSON");
    backslashes = 0;
    while (json[quote - 1 - backslashes] === "\\") backslashes += 1;
  } while (backslashes % 2 === 1);
  return quote + 1;
}

/** Position of the comma or brace behind the value. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const character = json[at];
    if (character === '"') {
      at = endOfString(json, at);
      continue;
    }
    if (depth === 0 && (character === "," || character === "}")) return at;
    if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    at += 1;
  }
  return at;
}

/** Whether JavaScript's number has the value of these digits. */
function isExact(digits: string): boolean {
  const number = Number(digits);
  return (
    Number.isFinite(number) &&
    normalForm(digits) === normalForm(number.toExponential())
  );
}

/** Sign, significant digits and exponent, so that 1.10 equals 1.1e0. */
function normalForm(number: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)\.?(\d*)(?:[eE]([-+]?\d+))?$/.exec(number) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return "0";
  const leadingZeros = whole.length + fraction.length - digits.length;
  const magnitude = whole.length - leadingZeros + Number(exponent);
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  return `${sign}${digits.slice(0, end)}e${magnitude}`;
}
