/** Which tables MikroORM's schema tools are told to leave alone. */
import {
  keepTables,
  type SchemaGenerator,
} from "../../mikro-orm/source/kept-tables";

function skipped(entities: readonly object[], before?: SchemaGenerator) {
  let options = before;
  const config = {
    get: () => options,
    set: (_: string, value: SchemaGenerator) => {
      options = value;
    },
  };
  keepTables({ getAll: () => ({ ...entities }) }, config);
  return (name: string) =>
    (options?.skipTables ?? []).some((one) =>
      typeof one === "string" ? one === name : one.test(name),
    );
}

const entity = (tableName: string, virtual = false) => ({ tableName, virtual });

test("the worker's tables and partitions, beside what was left alone before", () => {
  const options = { skipTables: ["mine"] };
  const isSkipped = skipped([entity("todo"), entity("change", true)], options);
  for (const name of ["mine", "changes", "changes_2026_11", "_bemi_gaps"])
    expect(isSkipped(name)).toBe(true);
  for (const name of ["todo", "changes_of_plan", "exchanges", "_bemi_other"])
    expect(isSkipped(name)).toBe(false);
  // A generator that is there already has this object.
  expect(options.skipTables).toHaveLength(3);
});

test("not what an entity of the application is called", () => {
  const isSkipped = skipped([entity("changes")]);
  expect(isSkipped("changes")).toBe(false);
  expect(isSkipped("_bemi_watermarks")).toBe(true);
});
