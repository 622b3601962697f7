/** In which forms a key is looked for: of JSON, which the server refuses otherwise. */
import { keyForms, type RecordKey } from "../../mikro-orm/source/record-key";

const forms = (key: RecordKey) =>
  keyForms({ table: "item", key: "no" }, key).objects;

test.each<[RecordKey, string[]]>([
  [5, ['{"no":5}', '{"no":"5"}']],
  ["-1.50", ['{"no":-1.50}', '{"no":"-1.50"}']],
  ["0", ['{"no":0}', '{"no":"0"}']],
  ["007", ['{"no":"007"}']],
  ["-01.5", ['{"no":"-01.5"}']],
  ["1.", ['{"no":"1."}']],
  [true, ['{"no":true}']],
  ['"', ['{"no":"\\""}']],
])("%j", (key, expected) => {
  expect(forms(key)).toEqual(expected);
  for (const json of expected) expect(() => JSON.parse(json)).not.toThrow();
});

test("of several columns, text with leading zeros stays text", () => {
  const { texts } = keyForms(
    { table: "place", key: ["zip", "street"] },
    { zip: "01067", street: 7 },
  );
  expect(texts).toEqual(['["01067",7]', '["01067","7"]']);
});
