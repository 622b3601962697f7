import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  renderEnvironmentSchema,
  schemaPath,
} from "../../scripts/render-environment-schema";

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly const?: unknown;
}

const schema = JSON.parse(renderEnvironmentSchema()) as Schema;

test("environments/environment.schema.json is what the code says", () => {
  const remedy = "npx tsx scripts/render-environment-schema.ts";
  const isStale =
    readFileSync(schemaPath, "utf8") !== renderEnvironmentSchema();
  expect(isStale ? `stale: run ${remedy}` : "fresh").toBe("fresh");
});

test("every field is explained by a sentence", () => {
  const unexplained = fieldsOf(schema).filter(
    ([, { description }]) => !/^.{8,}\.$/.test(description ?? ""),
  );
  expect(unexplained.map(([path]) => path)).toEqual([]);
  expect(fieldsOf(schema).length).toBeGreaterThan(80);
});

test("an editor knows the worker's variables, and none that is a secret", () => {
  const { settings } = schema.properties?.worker?.properties ?? {};
  const names = Object.keys(settings?.properties ?? {});
  expect(names).toEqual(
    expect.arrayContaining(["TRACK_TABLES", "RETENTION_DAYS", "LOG_LEVEL"]),
  );
  expect(names.join()).not.toMatch(/PASSWORD|PRIVATE_KEY|DB_HOST/);
});

test("environments/example.json has every field there is", () => {
  const path = join(__dirname, "../../environments/example.json");
  const example: unknown = JSON.parse(readFileSync(path, "utf8"));
  expect(absent(schema, example, "")).toEqual([]);
});

/** All fields, with their paths. */
function fieldsOf(part: Schema, path = ""): [string, Schema][] {
  const own = Object.entries(part.properties ?? {}).flatMap(
    ([name, field]): [string, Schema][] => [
      [`${path}.${name}`, field],
      ...fieldsOf(field, `${path}.${name}`),
    ],
  );
  const forms = (part.oneOf ?? []).flatMap((form, index) =>
    fieldsOf(form, `${path}|${index}`),
  );
  return [...own, ...forms, ...(part.items ? fieldsOf(part.items, path) : [])];
}

/** Paths that a file could have, in the forms it has, and does not have. */
function absent(part: Schema, value: unknown, path: string): string[] {
  // Of the worker's variables a file has those that it changes.
  if (path === ".worker.settings") return [];
  if (value === undefined) return [path];
  if (Array.isArray(value)) {
    return value.flatMap((entry) => absent(part.items ?? {}, entry, path));
  }
  if (typeof value !== "object" || value === null) return [];
  const entries = new Map<string, unknown>(Object.entries(value));
  const form =
    part.oneOf?.find(({ properties = {} }) =>
      Object.entries(properties).every(
        ([name, field]) =>
          field.const === undefined || field.const === entries.get(name),
      ),
    ) ?? part;
  return Object.entries(form.properties ?? {}).flatMap(([name, field]) =>
    absent(field, entries.get(name), `${path}.${name}`),
  );
}
