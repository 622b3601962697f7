import { ByteWriter } from "../../worker/row/byte-writer";
import { writeValue } from "../../worker/row/value-json";
import { valueType } from "../../worker/row/value-types";

const OID = {
  boolArray: 1000,
  boxArray: 1020,
  byteaArray: 1001,
  int4Array: 1007,
  jsonArray: 199,
  jsonbArray: 3807,
  numericArray: 1231,
  textArray: 1009,
  timestamptzArray: 1185,
} as const;

/** As in the middle of a block. */
function rendered(type: keyof typeof OID, text: string): string {
  const out = new ByteWriter(8);
  const bytes = Buffer.from(`{${text}},`);
  writeValue(out, valueType(OID[type]), bytes, 1, bytes.length - 2);
  return out.buffer.toString("utf8", 0, out.length);
}

test.each<[string, keyof typeof OID, string, string]>([
  ["an empty array", "textArray", "{}", "[]"],
  ["a single element", "int4Array", "{1}", "[1]"],
  ["numbers", "int4Array", "{1,-2,NULL}", "[1,-2,null]"],
  ["nested arrays", "int4Array", "{{1,2},{3,NULL}}", "[[1,2],[3,null]]"],
  ["three dimensions", "textArray", "{{{a},{b}}}", '[[["a"],["b"]]]'],
  ["numbers that are none", "numericArray", "{NaN,1.50}", '["NaN",1.50]'],
  ["booleans", "boolArray", "{t,f,NULL}", "[true,false,null]"],
  ["null and its text", "textArray", '{NULL,"NULL"}', '[null,"NULL"]'],
  ["a text that begins like null", "textArray", "{NULLS}", '["NULLS"]'],
  ["an empty text", "textArray", '{""}', '[""]'],
  ["quotes", "textArray", '{"say \\"a\\""}', '["say \\"a\\""]'],
  ["backslashes", "textArray", '{"a\\\\b","\\\\"}', '["a\\\\b","\\\\"]'],
  ["delimiters", "textArray", '{"a,b","{c}"}', '["a,b","{c}"]'],
  ["control characters", "textArray", '{"a\nb\u0001"}', '["a\\nb\\u0001"]'],
  ["bytea", "byteaArray", '{"\\\\x0102"}', '["\\\\x0102"]'],
  [
    "timestamps",
    "timestamptzArray",
    '{"2024-07-04 12:00:00+00",infinity}',
    '["2024-07-04T12:00:00+00:00","infinity"]',
  ],
  [
    "boxes, which a semicolon separates",
    "boxArray",
    "{(1,1),(0,0);(2,2),(1,1)}",
    '["(1,1),(0,0)","(2,2),(1,1)"]',
  ],
  ["jsonb", "jsonbArray", '{"{\\"a\\": 1}",2}', '[{"a": 1},2]'],
  [
    "json that jsonb cannot hold",
    "jsonArray",
    '{"\\"\\\\u0000\\""}',
    '[{"$json_text":"\\"\\\\u0000\\""}]',
  ],
  [
    "lower bounds of its own, as text",
    "int4Array",
    "[2:3]={1,2}",
    '"[2:3]={1,2}"',
  ],
])("an array with %s", (_, type, text, json) => {
  expect(rendered(type, text)).toBe(json);
  expect(() => JSON.parse(json)).not.toThrow();
});

test("an element longer than the scratch buffer", () => {
  const long = 'x\\"'.repeat(5_000);
  expect(JSON.parse(rendered("textArray", `{"${long}",b}`))).toEqual([
    'x"'.repeat(5_000),
    "b",
  ]);
});

test("a quoted element without an end is refused", () => {
  expect(() => rendered("textArray", '{"a')).toThrow(/quoted element/);
});
