/** What `before` and `after` hold under each replica identity. */
import { Cluster } from "../../scripts/cluster";
import {
  type ChangeRow,
  identitySql,
  TrackedDatabase,
} from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Operation, key, before and after, for a comparison at a glance. */
function brief({ operation, primaryKey, before, after }: ChangeRow) {
  return [operation, primaryKey, before, after];
}

describe("per replica identity", () => {
  const identities = {
    full: "FULL",
    default: "DEFAULT",
    index: "USING INDEX t_code_key",
  } as const;
  const schema =
    "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, note text)";

  /** What of the old row is known, for a row with these values. */
  const known = {
    full: (row: string) => row,
    default: (row: string) => row.replace(/, "code.*/, "}"),
    index: (row: string) => `{"code": ${/"code": ("\w+")/.exec(row)?.[1]}}`,
  };
  const row = (id: number, code: string, note: string) =>
    `{"id": ${id}, "code": "${code}", "note": "${note}"}`;

  test.each(["full", "default", "index"] as const)(
    "%s: before is what the stream knows of the old row, and never nulls",
    async (identity) => {
      await using tracked = await TrackedDatabase.start(cluster, { schema });
      await tracked.sql(identitySql("t", identities[identity]));
      await tracked.transactions(
        "INSERT INTO t VALUES (1, 'a', 'x')",
        "UPDATE t SET note = 'y'",
        "UPDATE t SET note = note",
        "UPDATE t SET id = 2",
        "UPDATE t SET code = 'b'",
        "DELETE FROM t",
      );
      await tracked.caughtUp();
      const isFull = identity === "full";
      const of = known[identity];
      const rows = await tracked.changes();
      expect(rows.map(inKeyOrder)).toEqual([
        ["CREATE", "1", "{}", row(1, "a", "x")],
        ["UPDATE", "1", isFull ? of(row(1, "a", "x")) : "{}", row(1, "a", "y")],
        ["UPDATE", "1", isFull ? of(row(1, "a", "y")) : "{}", row(1, "a", "y")],
        [
          "UPDATE",
          "2",
          identity === "index" ? "{}" : of(row(1, "a", "y")),
          row(2, "a", "y"),
        ],
        [
          "UPDATE",
          "2",
          identity === "default" ? "{}" : of(row(2, "a", "y")),
          row(2, "b", "y"),
        ],
        [
          "DELETE",
          identity === "index" ? null : "2",
          of(row(2, "b", "y")),
          "{}",
        ],
      ]);
    },
  );

  test("nothing: inserts are recorded, and the server refuses the application the rest", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    const pad = "x".repeat(20_000);
    await tracked.sql("ALTER TABLE t ALTER note SET STORAGE EXTERNAL");
    await tracked.sql(identitySql("t", "NOTHING"));
    await tracked.sql("INSERT INTO t VALUES (1, 'a', $1)", [pad]);
    for (const write of ["UPDATE t SET note = 'y'", "DELETE FROM t"]) {
      await expect(tracked.sql(write)).rejects.toMatchObject({ code: "55000" });
    }
    await tracked.caughtUp();
    expect((await tracked.changes()).map(inKeyOrder)).toEqual([
      ["CREATE", "1", "{}", row(1, "a", pad)],
    ]);
  });

  test("a change of identity in mid-stream, and in mid-transaction, counts from that row on", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await tracked.stopWorker();
    await tracked.transactions(
      "INSERT INTO t VALUES (1, 'a', 'x')",
      "UPDATE t SET note = 'y'",
      identitySql("t", "DEFAULT"),
      "UPDATE t SET note = 'z'",
      `BEGIN; UPDATE t SET note = '1'; ${identitySql("t", "FULL")}; UPDATE t SET note = '2'; COMMIT`,
    );
    await tracked.startWorker();
    await tracked.caughtUp();
    expect(
      (await tracked.changes()).map((change) => inKeyOrder(change)[2]),
    ).toEqual(["{}", row(1, "a", "x"), "{}", "{}", row(1, "a", "1")]);
  });

  test.each([
    ["full", "id int PRIMARY KEY", "FULL"],
    ["default", "id int PRIMARY KEY", "DEFAULT"],
    [
      "index",
      "id int NOT NULL CONSTRAINT t_id_key UNIQUE",
      "USING INDEX t_id_key",
    ],
  ])(
    "%s: a large value that an update leaves alone is the value or a marker, never null and never absent",
    async (identity, id, sql) => {
      await using tracked = await TrackedDatabase.start(cluster, {
        schema: `
        CREATE EXTENSION hstore;
        CREATE TABLE t (${id}, n int, big text, doc jsonb, bytes bytea, list text[], pairs hstore);
        ${["big", "doc", "bytes", "list", "pairs"].map((name) => `ALTER TABLE t ALTER ${name} SET STORAGE EXTERNAL`).join(";")}`,
      });
      await tracked.sql(identitySql("t", sql));
      const pad = "x".repeat(20_000);
      await tracked.transactions(
        `INSERT INTO t VALUES (1, 1, '${pad}', '{"a": "${pad}"}', convert_to('${pad}', 'UTF8'), ARRAY['${pad}', NULL], hstore('a', '${pad}'))`,
        "UPDATE t SET n = 2",
        "UPDATE t SET id = 2",
        "UPDATE t SET big = NULL",
        `UPDATE t SET big = 'small'`,
      );
      await tracked.caughtUp();
      const changes = await tracked.changes();
      const [created, ...updated] = changes.map(({ after }) =>
        JSON.parse(after),
      );
      const befores = changes.slice(1).map(({ before }) => before);
      expect(befores).toEqual(
        identity === "full"
          ? changes.slice(0, -1).map(({ after }) => after)
          : ["{}", '{"id": 1}', "{}", "{}"],
      );
      const unchanged = { $unchanged: true };
      const { big, doc, bytes, list, pairs } = created;
      expect([big, doc, bytes, list, pairs]).toEqual([
        pad,
        { a: pad },
        `\\x${"78".repeat(20_000)}`,
        [pad, null],
        `"a"=>"${pad}"`,
      ]);
      const rest =
        identity === "full"
          ? { doc, bytes, list, pairs }
          : {
              doc: unchanged,
              bytes: unchanged,
              list: unchanged,
              pairs: unchanged,
            };
      const untouched = identity === "full" ? big : unchanged;
      expect(updated).toEqual([
        { id: 1, n: 2, big: untouched, ...rest },
        { id: 2, n: 2, big: untouched, ...rest },
        { id: 2, n: 2, big: null, ...rest },
        { id: 2, n: 2, big: "small", ...rest },
      ]);
    },
  );
});

/** jsonb orders keys by length; `brief` in the table's order. */
function inKeyOrder(change: ChangeRow) {
  const order = (json: string) => {
    const { id, code, note } = JSON.parse(json);
    const ordered = JSON.stringify({ id, code, note });
    return ordered.replaceAll('":', '": ').replaceAll(',"', ', "');
  };
  const { before, after } = change;
  return brief({ ...change, before: order(before), after: order(after) });
}
