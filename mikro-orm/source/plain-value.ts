/**
 * Any JavaScript value as one that JSON, and PostgreSQL's jsonb, can hold. Never
 * throws: a context must not break the query that it goes with.
 *
 * | value | becomes |
 * |---|---|
 * | NaN, Infinity | null |
 * | bigint | its digits as a string |
 * | undefined, function, symbol | left out; null within an array |
 * | Date and whatever has `toJSON` | what that returns |
 * | Map, Set, Error, binary data | object, array, `{name, message}`, `[Binary 3 bytes]` |
 * | what holds itself | `[Circular]` |
 * | deeper than 32 levels | `[Too deep]` |
 * | what a top-level key has beyond `maxValues` | `[Too large]` |
 * | what throws when read | `[Unserializable]` |
 * | NUL and lone surrogates in strings | U+FFFD, since jsonb refuses them |
 */
export type Plain =
  | string
  | number
  | boolean
  | null
  | Plain[]
  | { [key: string]: Plain };

const MAX_DEPTH = 32;

/** Where in the whole a value is. */
interface Place {
  readonly outer: Set<object>;
  readonly maxValues: number;
  /** Of the top-level key. */
  values: number;
}

/**
 * Undefined for what JSON leaves out.
 *
 * @param maxValues - an object that is in several places is read in each, and 32
 * levels of two places each would take longer than anybody lives
 */
export function plainValue(
  value: unknown,
  maxValues: number,
): Plain | undefined {
  return plain(value, { outer: new Set(), maxValues, values: 0 }, 0);
}

function plain(value: unknown, place: Place, depth: number): Plain | undefined {
  if (depth === 1) place.values = 0;
  place.values += 1;
  switch (typeof value) {
    case "string":
      return storable(value);
    case "number":
      return Number.isFinite(value) ? value : null;
    case "boolean":
      return value;
    case "bigint":
      return value.toString();
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return null;
  const { outer, maxValues, values } = place;
  if (depth > MAX_DEPTH) return "[Too deep]";
  if (outer.has(value)) return "[Circular]";
  if (values > maxValues) return "[Too large]";
  outer.add(value);
  try {
    return plainObject(value, (inner) => plain(inner, place, depth + 1));
  } catch {
    return "[Unserializable]";
  } finally {
    outer.delete(value);
  }
}

function plainObject(
  value: object,
  inner: (value: unknown) => Plain | undefined,
): Plain | undefined {
  if ("toJSON" in value && typeof value.toJSON === "function")
    return inner(value.toJSON());
  if (value instanceof Error)
    return inner({ name: String(value.name), message: String(value.message) });
  if (value instanceof Map) return record([...value], inner);
  if (value instanceof Set) return inner([...value]);
  if (ArrayBuffer.isView(value)) return `[Binary ${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => inner(item) ?? null);
  return record(
    Object.keys(value).map((key) => [key, () => Reflect.get(value, key)]),
    (read) => inner((read as () => unknown)()),
  );
}

function record(
  entries: readonly (readonly [unknown, unknown])[],
  inner: (value: unknown) => Plain | undefined,
): Plain {
  const result: { [key: string]: Plain } = {};
  for (const [key, value] of entries) {
    const item = readable(() => inner(value));
    // As a property of its own even when it is called __proto__.
    if (item !== undefined)
      Object.defineProperty(result, storable(String(key)), {
        value: item,
        ...{ enumerable: true, configurable: true, writable: true },
      });
  }
  return result;
}

/** A getter that throws costs its own key only. */
function readable(read: () => Plain | undefined): Plain | undefined {
  try {
    return read();
  } catch {
    return "[Unserializable]";
  }
}

/** Lone surrogates (of a pair there are none in a regular expression of Unicode). */
const UNSTORABLE = /\p{Surrogate}|\0/gu;

function storable(text: string): string {
  return text.replace(UNSTORABLE, "\ufffd");
}
