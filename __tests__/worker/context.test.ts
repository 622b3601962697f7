import { MAX_CONTEXT_BYTES, readContext } from "../../worker/stream/context";

const json = (content: string | Buffer) =>
  readContext(Buffer.from(content)).json.toString();

test.each([
  ["an object", '{"user":{"id":1},"tags":["a"]}'],
  ["an empty object", "{}"],
  ["white space", ' {"a" :\t1}\r\n'],
  ["a big integer", '{"id":12345678901234567890}'],
  ["duplicate keys", '{"a":1,"a":2}'],
  ["a decimal with trailing zeros", '{"a":1.500}'],
  ["characters outside the BMP", '{"a":"😀\\ud83d\\ude00"}'],
  ["a key __proto__", '{"__proto__":{"a":1}}'],
  ["1 MiB", `{"a":"${"x".repeat(MAX_CONTEXT_BYTES - 8)}"}`],
])("a context with %s is kept byte for byte", (_, text) => {
  expect(readContext(Buffer.from(text))).toEqual({ json: Buffer.from(text) });
});

test.each<[string, string | Buffer, RegExp]>([
  ["text", "not json", /not JSON/],
  ["nothing at all", "", /not JSON/],
  ["an array", "[1,2]", /not an object/],
  ["null", "null", /not an object/],
  ["a string", '"a"', /not an object/],
  ["bytes 00 01 FF", Buffer.of(0, 1, 0xff), /not JSON/],
  ["a byte that is not UTF-8", Buffer.from('{"a":"\xe9"}', "latin1"), /JSON/],
  ["a byte-order mark", '\ufeff{"a":1}', /not JSON/],
  ["\\u0000", '{"a":"\\u0000"}', /\\u0000/],
  ["half of a surrogate pair", '{"a":"\\ud800"}', /surrogate/],
  ["1e400000", '{"a":1e400000}', /number/],
  [
    "100,000 levels",
    `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    /nested too deeply|not JSON/,
  ],
  ["more than 1 MiB", `{"a":"${"x".repeat(MAX_CONTEXT_BYTES)}"}`, /too large/],
])(
  "a context that is %s becomes a marker with its length",
  (_, content, reason) => {
    const { json, invalid } = readContext(Buffer.from(content));
    expect(invalid).toMatch(reason);
    expect(JSON.parse(json.toString())).toEqual({
      $invalid: invalid,
      bytes: Buffer.from(content).length,
    });
  },
);

test("a context is a copy: what the driver does to its buffer later does not show", () => {
  const buffer = Buffer.from('{"user":1}');
  const context = readContext(buffer);
  buffer.fill(0x20);
  expect(context.json.toString()).toBe('{"user":1}');
  expect(json(buffer)).toContain("$invalid");
});
