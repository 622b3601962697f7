import {
  exactValue,
  membersOf,
  textOf,
} from "../../mikro-orm/source/json-text";

test.each([
  ["9007199254740991", 9007199254740991],
  ["9007199254740993", "9007199254740993"],
  ["-9007199254740993", "-9007199254740993"],
  ["0.30000000000000004", 0.30000000000000004],
  ["0.300000000000000041", "0.300000000000000041"],
  ["1.10", 1.1],
  ["0.00", 0],
  ["0.0000000000000000000000000000000000001", 1e-37],
  ["100000000000000000000000", 1e23],
  ["100000000000000000000001", "100000000000000000000001"],
  [`1${"0".repeat(400)}`, `1${"0".repeat(400)}`],
  ["-0.5e3", -500],
])("%s is itself", (json, value) => {
  expect(exactValue(json)).toBe(value);
});

test("digits in strings and names are left alone", () => {
  const json =
    '{"n9007199254740993": ["9007199254740993", "\\\\", "\\"1.00000000000000000001", 9007199254740993, true, null], "a\\\\": {"__proto__": 12345678901234567890}}';
  expect(exactValue(json)).toEqual({
    n9007199254740993: [
      ...["9007199254740993", "\\", '"1.00000000000000000001'],
      ...["9007199254740993", true, null],
    ],
    "a\\": JSON.parse('{"__proto__": "12345678901234567890"}'),
  });
});

test("an object's members are the texts that they were", () => {
  const members = {
    a: "1.10",
    "b,\"}'": '{"x": [1, {"y": "}"}], "z": ","}',
    "c\\": '"\\\\\\", }"',
    d: "null",
    "": "[]",
  };
  const json = Object.entries(members).map(
    ([name, value]) => `${JSON.stringify(name)}: ${value}`,
  );
  expect(Object.fromEntries(membersOf(`{${json.join(", ")}}`))).toEqual(
    members,
  );
  expect(membersOf("{}").size).toBe(0);
});

test("the text of a value is what ->> gives", () => {
  expect(textOf('"a\\"b"')).toBe('a"b');
  expect(textOf("1.10")).toBe("1.10");
});

test("a value of megabytes does not exhaust the stack", () => {
  const long = JSON.stringify('\\"'.repeat(2_000_000));
  expect(exactValue(`[${long}, 1]`)).toHaveLength(2);
});
