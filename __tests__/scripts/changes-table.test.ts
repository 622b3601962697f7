import {
  type ChangeRow,
  renderChange,
  renderChanges,
} from "../../scripts/changes-table";

const create: ChangeRow = {
  id: "0",
  primary_key: "26",
  table: "todo",
  operation: "CREATE",
  before: "{}",
  after: '{"id": 26, "task": "Sleep", "is_completed": false}',
  context: '{"user_id": 187234, "endpoint": "/todo", "method": "POST"}',
  committed_at: "2023-12-11 17:09:09+00",
};
const update: ChangeRow = {
  ...create,
  operation: "UPDATE",
  before: create.after,
  after: '{"id": 26, "task": "Sleep", "is_completed": true}',
};

test("without a terminal a change is one line of an aligned table", () => {
  const lines = renderChanges([create, update]).split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatch(
    /^ primary_key \| table \| operation \| before +\| after +\| context +\| committed_at$/,
  );
  expect(lines[1]).toMatch(/^-+(\+-+){6}$/);
  expect(lines[2]).toContain(" 26          | todo  | CREATE    | {}   ");
  expect(lines[3]).toContain('"is_completed": true}  | {"user_id": 187234,');
});

test.each([300, 200, 160, 130, 100, 80, 40])(
  "nothing is wider than a terminal of %i columns, and nothing is cut",
  (width) => {
    const long = { ...update, after: `{"url": "https://${"x".repeat(300)}"}` };
    const text = renderChanges([create, update, long], width);
    for (const line of text.split("\n"))
      expect(line.length).toBeLessThanOrEqual(width);
    expect(text).not.toContain("…");
    expect(text.match(/x/g)?.length).toBeGreaterThanOrEqual(300);
  },
);

test("a wide terminal shows a table, a narrow one a list of fields", () => {
  expect(renderChanges([create, update], 130)).toMatch(
    /^ primary_key \| table/,
  );
  expect(renderChanges([create, update], 80)).toMatch(
    /^-\[ RECORD 1 \]-+\n primary_key +\| 26\n table/,
  );
});

test("characters that are two columns wide are not cut", () => {
  const after = `{"task": "${"日本".repeat(60)}"}`;
  for (const width of [80, 160])
    expect(renderChanges([{ ...create, after }], width)).not.toContain("…");
});

test("data cannot send control sequences to the terminal", () => {
  const line = renderChange({ ...create, primary_key: "\u001b[2J\u009b1m" });
  expect(line).toContain("\\u001b[2J\\u009b1m | todo");
});

test("a change without key and context is shown with empty cells", () => {
  const line = renderChange({ ...create, primary_key: null, context: null });
  expect(line).toMatch(/^ \| todo \| CREATE .* \| {2}\| 2023/);
});
