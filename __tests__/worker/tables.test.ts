import { ConfigurationError } from "../../worker/errors";
import { parseTablePatterns, tracks } from "../../worker/settings/tables";

test.each([
  ["public.*", ["public.todo", "public.Todo"], ["other.todo"]],
  ["public.todo", ["public.todo"], ["public.todos", "public.Todo"]],
  ["public.Todo", ["public.Todo"], ["public.todo"]],
  ["*.todo", ["public.todo", "b.todo"], ["public.todos"]],
  ["*.*", ["public.todo", "b.c"], []],
  ["pub*.t*o", ["public.todo", "pub.to"], ["pu.todo", "public.t"]],
  ["public.a*b*c", ["public.abc", "public.axbxc"], ["public.acb", "public.ab"]],
  ["public.ab*ba", ["public.abba"], ["public.aba"]],
  ["public.**", ["public.x"], []],
  ["public.todo, billing.*", ["public.todo", "billing.x"], ["public.x"]],
  ["public.*,!public.session", ["public.x"], ["public.session"]],
  ["!public.session,public.*", ["public.x"], ["public.session"]],
  ["!public.tmp_*", ["public.x"], ["public.tmp_1", "other.x"]],
  ["! public.a ,\n public.*", ["public.b"], ["public.a"]],
])("%s", (text, tracked, untracked) => {
  const patterns = parseTablePatterns(text);
  const isTracked = (name: string) => {
    const [schema = "", table = ""] = name.split(".");
    return tracks(patterns, { schema, name: table });
  };
  expect(tracked.filter((name) => !isTracked(name))).toEqual([]);
  expect(untracked.filter(isTracked)).toEqual([]);
});

test("quoted names may hold anything, and a star in quotes is a star", () => {
  const patterns = parseTablePatterns('"My.Schema"."a,b",public."x*"" !"');
  expect(tracks(patterns, { schema: "My.Schema", name: "a,b" })).toBe(true);
  expect(tracks(patterns, { schema: "public", name: 'x*" !' })).toBe(true);
  expect(tracks(patterns, { schema: "public", name: 'xy" !' })).toBe(false);
});

test.each([
  "pg_catalog",
  "pg_toast",
  "pg_temp_3",
  "information_schema",
  "_bemi",
])("%s is never tracked", (schema) => {
  expect(tracks(parseTablePatterns("*.*"), { schema, name: "x" })).toBe(false);
  expect(() => parseTablePatterns(`${schema}.x`)).toThrow("never tracked");
  expect(() => parseTablePatterns(`!${schema}.x`)).not.toThrow();
});

test("the publication can tell whole schemas, tables and the rest apart", () => {
  const { includes } = parseTablePatterns('a.*,b.c,d*.e,f.g*,h."*"');
  expect(
    includes.map(({ schema, table }) => [
      schema.wildcard,
      table.wildcard && table.text === "*",
      table.wildcard,
    ]),
  ).toEqual([
    [false, true, true],
    [false, false, false],
    [true, false, false],
    [false, false, true],
    [false, false, false],
  ]);
});

test("all that is wrong is reported at once, in words", () => {
  const text = 'todo,,a.b.c,a b.c,public."x,!';
  const problems = (() => {
    try {
      parseTablePatterns(text);
    } catch (error) {
      if (error instanceof ConfigurationError) return error.problems;
    }
    return [];
  })();
  expect(problems).toHaveLength(5);
  for (const word of ["todo", "empty", "a.b.c", "a b.c", 'public."x,!']) {
    expect(problems.join("\n")).toContain(word);
  }
});

test.each([
  ["public.orders", true],
  ["public.orders,!public.orders_1", false],
  ["public.*,!public.orders", false],
  ["other.*", false],
])("%s decides for the partition orders_1 of orders: %s", (text, expected) => {
  expect(
    tracks(parseTablePatterns(text), { schema: "public", name: "orders_1" }, [
      { schema: "public", name: "orders" },
    ]),
  ).toBe(expected);
});
