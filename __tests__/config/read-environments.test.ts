import type { Environment } from "../../config/environment";
import {
  EnvironmentsError,
  isEnvironmentFile,
  readEnvironments,
} from "../../config/read-environments";
import { type EnvironmentFile, environmentFile } from "../support/environments";

function read(files: Readonly<Record<string, EnvironmentFile>>): Environment[] {
  return readEnvironments(
    Object.entries(files).map(([name, file]) => ({
      file: `environments/${name}.json`,
      text: JSON.stringify(file),
    })),
  );
}

function withHost(host: string): EnvironmentFile {
  const file = environmentFile("direct");
  return { ...file, source: { ...file.source, host } };
}

test("environments of different databases are read side by side", () => {
  const environments = read({ shop: withHost("a"), shipping: withHost("b") });
  expect(environments.map(({ name }) => name)).toEqual(["shop", "shipping"]);
});

test.each([
  ["shop", "shop-eu"],
  ["shop-eu", "shop"],
])("%s and %s cannot be told apart by cdktf deploy", (first, second) => {
  const load = () => read({ [first]: withHost("a"), [second]: withHost("b") });
  expect(load).toThrow("'shop-*' deploys the stacks of both: rename one");
});

test("a slot of one server has one worker", () => {
  const load = () => read({ one: withHost("shop.x"), two: withHost("SHOP.x") });
  expect(load).toThrow("one has the slot bemi of the same server");
});

test("with a slot of its own a second worker reads the same server", () => {
  const second = withHost("shop.x");
  const settings = { SLOT_NAME: "second", PUBLICATION_NAME: "second" };
  if (second.worker) second.worker.settings = settings;
  expect(read({ one: withHost("shop.x"), two: second })).toHaveLength(2);
});

test("the problems of all files are in one error", () => {
  const load = () => read({ a: withHost("a b"), "b-": withHost("b") });
  expect(load).toThrow(EnvironmentsError);
  expect(load).toThrow(/environments\/a.json.*environments\/b-.json/s);
});

test("the schema is not taken for an environment", () => {
  const names = ["example.json", "environment.schema.json", "notes.md"];
  expect(names.filter(isEnvironmentFile)).toEqual(["example.json"]);
});
