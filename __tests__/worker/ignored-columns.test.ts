import {
  ignoresColumn,
  parseColumnPatterns,
} from "../../worker/settings/ignored-columns";

test.each([
  [
    "public.todo.updated_at",
    ["public.todo.updated_at"],
    ["public.todo.title", "public.other.updated_at", "b.todo.updated_at"],
  ],
  [
    "*.updatedAt",
    ["public.todo.updatedAt", "b.c.updatedAt"],
    ["b.c.updatedat"],
  ],
  ["todo.x", ["public.todo.x", "b.todo.x"], ["public.other.x"]],
  ["*_cached_counter", ["a.b.x_cached_counter"], ["a.b.cached_counter_x"]],
  ["public.*.x", ["public.todo.x"], ["b.todo.x", "public.todo.y"]],
  ["a, b.c", ["x.y.a", "x.b.c"], ["x.y.c"]],
  ['"a-b"', ["x.y.a-b"], ["x.y.a"]],
  ["", [], ["a.b.c"]],
])("%s", (text, ignored, recorded) => {
  const patterns = parseColumnPatterns(text);
  const isIgnored = (name: string) => {
    const [schema = "", table = "", column = ""] = name.split(".");
    return ignoresColumn(patterns, schema, table, column);
  };
  expect(ignored.filter((name) => !isIgnored(name))).toEqual([]);
  expect(recorded.filter(isIgnored)).toEqual([]);
});

test.each([
  ["!public.todo.x", "cannot be excluded"],
  ["a.b.c.d", "not schema.table.column"],
  ["a,,b", "empty"],
  ['"a', "not a pattern"],
])("%s is refused: %s", (text, message) => {
  expect(() => parseColumnPatterns(text)).toThrow(message);
});
