/**
 * A context as JSON that may stand in an SQL comment. In JSON text `*`, `?`, `;`
 * and whatever is not ASCII occur only within strings, where an escape is always
 * allowed; with them escaped
 *
 * - nothing in it can end the comment or open another one: both need a `*`;
 * - MikroORM, which takes any `?` for a placeholder, finds none;
 * - naive splitters of statements find no `;`;
 * - no server encoding lacks a character.
 */
import { type Plain, plainValue } from "./plain-value";

/**
 * It travels in each statement, and once a transaction in the log. Beyond 1 MB
 * messages are refused on the way in other systems that read the same log.
 */
export const MAX_CONTEXT_BYTES = 64 * 1024;

/**
 * Undefined for what is no object, and so no context. Of one that is too large
 * the largest top-level keys are left out, so that who did it survives a large
 * body, and are named under `_truncated`. Never throws.
 */
export function encodeContext(
  context: unknown,
  maxBytes = MAX_CONTEXT_BYTES,
): string | undefined {
  if (typeof context !== "object") return undefined;
  // A value is a byte at least, so that what is cut short is left out below.
  const plain = plainValue(context, maxBytes);
  if (typeof plain !== "object" || plain === null || Array.isArray(plain))
    return undefined;
  const whole = asciiJson(plain);
  return whole.length <= maxBytes ? whole : shortened(plain, maxBytes);
}

const MAX_NAMED = 20;
const MAX_NAME_LENGTH = 64;

function shortened(context: { [key: string]: Plain }, maxBytes: number) {
  const sizes = Object.entries(context)
    .map(([key, value]) => ({
      key,
      bytes: asciiJson(key).length + asciiJson(value).length + 2,
    }))
    .sort((one, other) => one.bytes - other.bytes);
  // What is left out costs its name.
  let room = maxBytes - MAX_NAMED * (MAX_NAME_LENGTH * 6 + 3) - 32;
  const kept = new Set<string>();
  for (const { key, bytes } of sizes) {
    room -= bytes;
    if (room < 0) break;
    kept.add(key);
  }
  const left = Object.keys(context).filter((key) => !kept.has(key));
  const _truncated =
    left.length > MAX_NAMED
      ? left.length
      : left.map((key) => key.slice(0, MAX_NAME_LENGTH));
  const rest = Object.entries(context).filter(([key]) => kept.has(key));
  const json = asciiJson(
    Object.fromEntries([...rest, ["_truncated", _truncated]]),
  );
  return json.length <= maxBytes ? json : '{"_truncated":true}';
}

function asciiJson(value: Plain): string {
  return JSON.stringify(value).replace(
    /[*?;\u007f-\uffff]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
