import { jsonbRefusal } from "../../worker/row/storable-json";

const refusal = (text: string) => {
  // Not at the buffer's beginning or end, as in a block.
  const bytes = Buffer.from(`9"\\${text}"\\u0000`);
  return jsonbRefusal(bytes, 3, bytes.length - 7);
};
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("jsonb can hold", () => {
  test.each([
    ["an empty object", "{}"],
    ["a string with escapes", '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001"'],
    ["a backslash before u0000", '"\\\\u0000"'],
    ["two backslashes before u0000", '"\\\\\\\\u0000"'],
    ["a surrogate pair", '"\\ud83d\\ude00"'],
    ["two surrogate pairs", '"\\uD83D\\uDE00\\uD83D\\uDE00"'],
    ["characters outside the BMP unescaped", '"😀"'],
    ["the last character before the surrogates", '"\\ud7ff\\ue000"'],
    ["a number of 131,072 digits", "9".repeat(131_072)],
    ["1e131071", "1e131071"],
    ["1E+131071", "1E+131071"],
    ["1e-16383", "1e-16383"],
    ["16,383 decimal places", `0.${"1".repeat(16_383)}`],
    ["a negative number", "-1.5e-3"],
    ["numbers in a string", '"1e400000"'],
    ["2,000 levels", nested(2_000)],
    ["brackets in a string", `"${"[".repeat(5_000)}"`],
    ["many values at one level", `[${"[],".repeat(5_000)}{}]`],
  ])("%s", (_, text) => {
    expect(refusal(text)).toBeUndefined();
  });
});

describe("jsonb cannot hold", () => {
  test.each([
    ["\\u0000", '"\\u0000"', "nul"],
    ["\\u0000 behind an escaped backslash", '"\\\\\\u0000"', "nul"],
    ["\\u0000 in a key", '{"a":1,"\\u0000":2}', "nul"],
    ["a high surrogate alone", '"\\ud800"', "surrogate"],
    ["a high surrogate before a letter", '"\\ud800a"', "surrogate"],
    ["a high surrogate before an escape", '"\\ud800\\n"', "surrogate"],
    ["two high surrogates", '"\\ud800\\ud800\\udc00"', "surrogate"],
    ["a low surrogate alone", '"\\udc00"', "surrogate"],
    ["a low surrogate after a pair", '"\\ud83d\\ude00\\ude00"', "surrogate"],
    ["1e131072", "1e131072", "number"],
    ["12e131071", "[12e131071]", "number"],
    ["1e-16384", '{"a":1e-16384}', "number"],
    ["131,073 digits", "9".repeat(131_073), "number"],
    ["16,384 decimal places", `0.${"1".repeat(16_384)}`, "number"],
    ["an exponent of many digits", `1e${"9".repeat(400)}`, "number"],
    ["a negative exponent of many digits", `1e-${"9".repeat(400)}`, "number"],
    ["2,001 levels", nested(2_001), "depth"],
    ["2,001 levels of objects", '{"a":'.repeat(2_001), "depth"],
  ])("%s", (_, text, reason) => {
    expect(refusal(text)).toBe(reason);
  });
});
