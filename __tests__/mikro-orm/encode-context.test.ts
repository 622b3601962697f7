/** What stands in the comment: equal to what went in, and unable to end it. */
import { encodeContext } from "../../mikro-orm/source/encode-context";
import { randomFrom } from "../support/random";

const pieces = [
  ..."*/?\\'\"$;-:{} \n\r\t\u0000\u001f\u007f\u2028",
  // One by one: spread out of one string they would stay the pair that they make.
  ...["\uD800", "\uDC00"],
  ...["/*", "*/", " Bemi*/", "/*Bemi ", "é", "😀", "漢字", "\\u002a", "\\?"],
  ...["??", "$1", ":id", "a", "--"],
];

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const { pick, upTo } = randomFrom(20_261_120);
const text = () =>
  Array.from({ length: upTo(12) }, () => pick(pieces)).join("");
const scalar = () =>
  pick<Json>([text(), upTo(1e9), -0.5, 1e300, true, false, null, ""]);
const value = (depth = 0): Json => {
  if (depth > 3 || upTo(3) > 0) return scalar();
  if (upTo(2) === 0)
    return Array.from({ length: upTo(4) }, () => value(depth + 1));
  return object(depth + 1);
};
const object = (depth = 0): { [key: string]: Json } =>
  Object.fromEntries(
    Array.from({ length: upTo(5) }, () => [text(), value(depth + 1)]),
  );

test("any context arrives as it was, but for NUL and half characters", () => {
  const replaced = (json: string) =>
    json.replace(
      /\\u0000|\\ud[89ab][0-9a-f]{2}|\\ud[c-f][0-9a-f]{2}/g,
      "\uFFFD",
    );
  for (let round = 0; round < 2_000; round += 1) {
    const context = object();
    const encoded = encodeContext(context);
    expect(encoded).toMatch(/^[ -~]*$/);
    expect(encoded).not.toMatch(/[*?;]/);
    // Well-formed JSON.stringify escapes half characters, and only those.
    const expected = JSON.parse(replaced(JSON.stringify(context)));
    expect(JSON.parse(String(encoded))).toEqual(expected);
  }
});

const itself: Record<string, unknown> = { a: 1 };
itself.self = itself;
let deep: unknown = "end";
for (let level = 0; level < 20_000; level += 1) deep = { deep };

test.each<[string, object, unknown]>([
  ["a cycle", itself, { a: 1, self: "[Circular]" }],
  ["a BigInt", { n: 2n ** 70n }, { n: "1180591620717411303424" }],
  ["what JSON leaves out", { f() {}, u: undefined, s: Symbol("s") }, {}],
  [
    "numbers that are none",
    { a: Number.NaN, b: -Infinity },
    { a: null, b: null },
  ],
  ["a date", { at: new Date(0) }, { at: "1970-01-01T00:00:00.000Z" }],
  ["a date that is none", { at: new Date(Number.NaN) }, { at: null }],
  ["a Map", { m: new Map([["a", 1n]]) }, { m: { a: "1" } }],
  ["a Set", { s: new Set([1, "b"]) }, { s: [1, "b"] }],
  [
    "an error",
    { e: new TypeError("no") },
    { e: { name: "TypeError", message: "no" } },
  ],
  ["bytes", { b: new Uint8Array(3) }, { b: "[Binary 3 bytes]" }],
  ["no prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [
    "what throws when read",
    {
      a: 1,
      get b() {
        throw new Error("no");
      },
      c: {
        toJSON() {
          throw new Error("no");
        },
      },
      d: new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error("no");
          },
        },
      ),
    },
    {
      a: 1,
      b: "[Unserializable]",
      c: "[Unserializable]",
      d: "[Unserializable]",
    },
  ],
  [
    "a toJSON of itself",
    {
      a: {
        toJSON() {
          return this;
        },
      },
    },
    { a: "[Circular]" },
  ],
  ["an array with gaps", { a: [undefined, 1] }, { a: [null, 1] }],
])("%s breaks nothing", (_name, context, expected) => {
  expect(JSON.parse(String(encodeContext(context)))).toEqual(expected);
});

test("a key called __proto__ is a key", () => {
  const context = JSON.parse('{"__proto__":{"x":1}}');
  expect(encodeContext(context)).toBe('{"__proto__":{"x":1}}');
});

test("20,000 levels end at the thirty-third", () => {
  const encoded = String(encodeContext({ deep }));
  expect(encoded).toContain('"[Too deep]"');
  expect(encoded.length).toBeLessThan(1_000);
});

test("what is in many places at once is left out as too large, before all of it is read", () => {
  let reads = 0;
  const leaf = {
    get a() {
      reads += 1;
      return 1;
    },
  };
  const doubled = (levels: number): object =>
    Array.from({ length: levels }).reduce<object>(
      (inner) => ({ a: inner, b: inner }),
      leaf,
    );
  const context = { userId: 5, graph: doubled(21), again: doubled(21) };
  expect(JSON.parse(String(encodeContext({ ...context, url: "/a" })))).toEqual({
    userId: 5,
    url: "/a",
    _truncated: ["graph", "again"],
  });
  expect(reads).toBeLessThan(2 ** 21);
  expect(String(encodeContext({ tree: doubled(8) }))).not.toContain("[Too");
});

test.each([[undefined], [null], ["text"], [5], [[1, 2]], [new Date(0)]])(
  "%p is no context",
  (value) => expect(encodeContext(value)).toBeUndefined(),
);

describe("a context that is too large", () => {
  test("loses its largest keys and keeps who did it", () => {
    const params = "*".repeat(2_000_000);
    const encoded = String(encodeContext({ params, userId: 5, url: "/a" }));
    expect(JSON.parse(encoded)).toEqual({
      userId: 5,
      url: "/a",
      _truncated: ["params"],
    });
  });

  test("stays below any bound", () => {
    for (let round = 0; round < 100; round += 1) {
      const context = Object.fromEntries(
        Array.from({ length: upTo(60) }, () => [
          text() + upTo(1e6),
          pick(pieces).repeat(upTo(2_000)),
        ]),
      );
      const bound = 20 + upTo(20_000);
      const encoded = String(encodeContext(context, bound));
      expect(encoded.length).toBeLessThanOrEqual(bound);
      expect(typeof JSON.parse(encoded)).toBe("object");
    }
  });

  test("of 100,000 keys is told by their number", () => {
    const context = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, n) => [`key${n}`, "value"]),
    );
    const { _truncated, ...kept } = JSON.parse(String(encodeContext(context)));
    expect(_truncated + Object.keys(kept).length).toBe(100_000);
    expect(Object.keys(kept).length).toBeGreaterThan(1_000);
  });
});
