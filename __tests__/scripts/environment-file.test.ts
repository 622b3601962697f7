import { lstatSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { EnvironmentFile } from "../../scripts/environment-file";
import { setInJson } from "../../scripts/json-edit";
import { EnvironmentFolder } from "../support/environment-folder";
import { environmentFile } from "../support/environments";

const example = readFileSync(
  join(__dirname, "../../environments/example.json"),
  "utf8",
);

test("a value is replaced, and every other byte stays", () => {
  const text = '{\n\t"b": { "x": 1,"key" : "old" },\r\n\n  "a": [1,\n2] }\n\n';
  expect(setInJson(text, ["b", "key"], "new")).toBe(text.replace("old", "new"));
});

test.each([
  [
    '{\n  "a": {\n    "x": 1\n  },\n  "z": 2\n}\n',
    '{\n  "a": {\n    "x": 1,\n    "key": "v"\n  },\n  "z": 2\n}\n',
  ],
  [
    '{ "a": { "x": [1, 2] }, "z": 2 }',
    '{ "a": { "x": [1, 2], "key": "v" }, "z": 2 }',
  ],
  [
    '{\r\n\t"a": {\r\n\t\t"x": 1\r\n\t}\r\n}',
    '{\r\n\t"a": {\r\n\t\t"x": 1,\r\n\t\t"key": "v"\r\n\t}\r\n}',
  ],
  ['{ "a": {} }', '{ "a": {"key":"v"} }'],
  ['{\n  "z": 2\n}', '{\n  "z": 2,\n  "a": {\n    "key": "v"\n  }\n}'],
])(
  "a field is put behind the others, written as they are: %j",
  (text, expected) => {
    expect(setInJson(text, ["a", "key"], "v")).toBe(expected);
    expect(JSON.parse(expected)).toMatchObject({ a: { key: "v" } });
  },
);

test("in the example one line changes", () => {
  const digest = `sha256:${"1".repeat(64)}`;
  const lines = setInJson(example, ["worker", "imageDigest"], digest).split(
    "\n",
  );
  const before = example.split("\n");
  expect(lines).toHaveLength(before.length);
  expect(lines.filter((line, index) => line !== before[index])).toHaveLength(1);
});

const digest = {
  path: ["worker", "imageDigest"],
  value: `sha256:${"1".repeat(64)}`,
} as const;

test("nothing but the file is left in its folder", () => {
  using folder = new EnvironmentFolder("prod", environmentFile("direct"));
  expect(folder.file.change([digest])).toBe(true);
  expect(readdirSync(folder.path)).toEqual(["prod.json"]);
  expect(JSON.parse(folder.text).worker.imageDigest).toBe(digest.value);
  expect(folder.file.change([digest])).toBe(false);
});

test("what the environment's reader refuses is never written", () => {
  using folder = new EnvironmentFolder("prod", environmentFile("direct"));
  const before = folder.text;
  expect(() => folder.file.change([{ ...digest, value: "latest" }])).toThrow(
    'worker.imageDigest: got "latest"',
  );
  expect(folder.text).toBe(before);
});

test("what somebody wrote since it was read is kept", () => {
  using folder = new EnvironmentFolder("prod", environmentFile("direct"));
  const { file } = folder;
  file.read();
  folder.text = folder.text.replace('"shop"', '"shop2"');
  file.change([digest]);
  expect(folder.text).toContain('"shop2"');
});

test("a link stays a link", () => {
  using folder = new EnvironmentFolder("prod", environmentFile("direct"));
  const link = join(folder.path, "other.json");
  symlinkSync("prod.json", link);
  EnvironmentFile.of("other", folder.path).change([digest]);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(JSON.parse(folder.text).worker.imageDigest).toBe(digest.value);
});

test.each(["prdo", "../prod", "prod.json", "", "environment.schema"])(
  "%j is no environment, and those that are one are named",
  (name) => {
    using folder = new EnvironmentFolder("prod", environmentFile("direct"));
    expect(() => EnvironmentFile.of(name, folder.path)).toThrow(
      `no environment ${JSON.stringify(name)}: there are prod`,
    );
  },
);
