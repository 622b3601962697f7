import { createHash } from "node:crypto";
import { ByteWriter } from "../../worker/row/byte-writer";
import { writeAfter } from "../../worker/row/row-json";
import { valueType } from "../../worker/row/value-types";
import { Tuple } from "../../worker/stream/pgoutput";
import { readCopyRows } from "../support/copy-rows";
import * as wire from "../support/pgoutput-bytes";
import { OID, onlyRow, rowsOf, stitcher, todo } from "../support/stitching";

describe("before and after", () => {
  const old = (kind: "O" | "K", ...values: wire.WireValue[]) => ({
    kind,
    values,
  });

  test.each<[string, Buffer, string, string]>([
    [
      "an insert has no before",
      wire.insert(OID, ["1", null]),
      "{}",
      '{"id":1,"title":null}',
    ],
    [
      "an update without an old row has an unknown before, not nulls",
      wire.update(OID, undefined, ["1", "b"]),
      "{}",
      '{"id":1,"title":"b"}',
    ],
    [
      "an update with the whole old row has all of it",
      wire.update(OID, old("O", "1", null), ["1", "b"]),
      '{"id":1,"title":null}',
      '{"id":1,"title":"b"}',
    ],
    [
      "a change of the key has the old key alone",
      wire.update(OID, old("K", "1", null), ["2", "b"]),
      '{"id":1}',
      '{"id":2,"title":"b"}',
    ],
    [
      "a delete by key has the key alone",
      wire.remove(OID, old("K", "1", null)),
      '{"id":1}',
      "{}",
    ],
    [
      "a delete with the whole row has all of it",
      wire.remove(OID, old("O", "1", "a")),
      '{"id":1,"title":"a"}',
      "{}",
    ],
    ["a truncate has neither", wire.truncate(OID), "{}", "{}"],
    [
      "what an update left out of line is the old value where the old row is whole",
      wire.update(OID, old("O", "1", "big"), ["1", wire.unchanged]),
      '{"id":1,"title":"big"}',
      '{"id":1,"title":"big"}',
    ],
    [
      "what an update left out of line is marked where it is not known",
      wire.update(OID, undefined, ["1", wire.unchanged]),
      "{}",
      '{"id":1,"title":{"$unchanged":true}}',
    ],
    [
      "a key alone does not tell the other columns' old values",
      wire.update(OID, old("K", "1", null), ["2", wire.unchanged]),
      '{"id":1}',
      '{"id":2,"title":{"$unchanged":true}}',
    ],
    [
      "a key that an update left out of line is the old key",
      wire.update(OID, old("K", "1", null), [wire.unchanged, "b"]),
      '{"id":1}',
      '{"id":1,"title":"b"}',
    ],
  ])("%s", async (_, change, before, after) => {
    const relation: wire.WireRelation = {
      ...todo,
      identity: "d",
      columns: [{ name: "id", typeOid: 20, key: true }, { name: "title" }],
    };
    expect(await onlyRow([change], { relation })).toMatchObject({
      before,
      after,
    });
  });

  test("nothing of one row shows in the next, whatever their kinds", async () => {
    const rows = await rowsOf([
      wire.update(OID, old("K", "1", null), ["2", "b"]),
      wire.insert(OID, ["3", "c"]),
      wire.remove(OID, old("O", "3", "c")),
      wire.update(OID, undefined, ["2", "d"]),
      wire.truncate(OID),
    ]);
    expect(
      rows.map(({ operation, before, after }) => [operation, before, after]),
    ).toEqual([
      ["UPDATE", "{}", '{"id":2,"title":"b"}'],
      ["CREATE", "{}", '{"id":3,"title":"c"}'],
      ["DELETE", '{"id":3,"title":"c"}', "{}"],
      ["UPDATE", "{}", '{"id":2,"title":"d"}'],
      ["TRUNCATE", "{}", "{}"],
    ]);
  });
});

describe("primary key", () => {
  const wide: wire.WireRelation = {
    oid: OID,
    columns: [
      { name: "a", typeOid: 25 },
      { name: "b", typeOid: 20 },
      { name: "id", typeOid: 20 },
    ],
  };
  const insert = [wire.insert(OID, ['x"y', "7", "9"])];

  test.each<[string, readonly string[], string | null]>([
    ["one column: its text", ["a"], 'x"y'],
    ["several: a JSON array in key order", ["b", "a"], '[7,"x\\"y"]'],
    ["none: the column id", [], "9"],
    ["one that the row does not have: the column id", ["gone"], "9"],
    ["one that the row has in part: the column id", ["a", "gone"], "9"],
  ])("of %s", async (_, primaryKey, text) => {
    const row = await onlyRow(insert, { relation: wide, primaryKey });
    expect(row.primary_key).toBe(text);
  });

  test("without a key and a column id it is null", async () => {
    const relation = { ...wide, columns: [{ name: "a" }] };
    const row = await onlyRow([wire.insert(OID, ["x"])], {
      relation,
      primaryKey: [],
    });
    expect(row.primary_key).toBeNull();
  });

  test("a column id that is null is no key", async () => {
    const changes = [wire.insert(OID, ["x", "7", null])];
    const row = await onlyRow(changes, { relation: wide, primaryKey: [] });
    expect(row.primary_key).toBeNull();
  });

  test("of the default identity it is what the stream says of that time, not today's catalogue", async () => {
    const [a, b, id] = wide.columns as [
      wire.WireColumn,
      wire.WireColumn,
      wire.WireColumn,
    ];
    const relation: wire.WireRelation = {
      ...wide,
      identity: "d",
      columns: [{ ...a, key: true }, { ...b, key: true }, id],
    };
    const keyBy = async (primaryKey: readonly string[]) =>
      (await onlyRow(insert, { relation, primaryKey })).primary_key;
    expect(await keyBy(["b", "a"])).toBe('[7,"x\\"y"]');
    expect(await keyBy(["a", "b"])).toBe('["x\\"y",7]');
    expect(await keyBy(["id"])).toBe('["x\\"y",7]');
    expect(await keyBy(["renamed", "a"])).toBe('["x\\"y",7]');
  });

  test("of a delete by an index that is not the key, it is not known", async () => {
    const relation: wire.WireRelation = {
      ...wide,
      identity: "i",
      columns: [{ name: "a", key: true }, { name: "b" }, { name: "id" }],
    };
    const kind = "K" as const;
    const changes = [wire.remove(OID, { kind, values: ["x", null, null] })];
    const row = await onlyRow(changes, { relation, primaryKey: ["id"] });
    expect(row).toMatchObject({ primary_key: null, before: '{"a":"x"}' });
  });

  test("that an update left out of line is taken from the old row", async () => {
    const changes = [
      wire.update(OID, { kind: "O", values: ["key", "1", "2"] }, [
        wire.unchanged,
        "1",
        "2",
      ]),
    ];
    const row = await onlyRow(changes, { relation: wide, primaryKey: ["a"] });
    expect(row.primary_key).toBe("key");
  });

  test("that no index entry could hold is a marker of its length and SHA-256", async () => {
    const keyOf = async (value: string, primaryKey: readonly string[]) =>
      (
        await onlyRow([wire.insert(OID, [value, "1", "2"])], {
          relation: wide,
          primaryKey,
        })
      ).primary_key;
    const longest = "k".repeat(2_600);
    expect(await keyOf(longest, ["a"])).toBe(longest);
    expect(await keyOf(`${longest}k`, ["a"])).toBe(
      `{"$omitted":{"bytes":2601,"sha256":"${sha256(`${longest}k`)}"}}`,
    );
    // Each value is short enough, but not their text as JSON.
    const quotes = '"'.repeat(900);
    const array = JSON.stringify([quotes, 1]);
    expect(await keyOf(quotes, ["a", "b"])).toBe(array);
    const tabs = "\u0001".repeat(900);
    expect(await keyOf(tabs, ["a", "b"])).toBe(
      `{"$omitted":{"bytes":5406,"sha256":"${sha256(JSON.stringify([tabs, 1]))}"}}`,
    );
  });
});

test("a row never takes more of jsonb than it can hold: what comes too much is a marker", async () => {
  const INT4_ARRAY = 1007;
  const relation: wire.WireRelation = {
    oid: OID,
    columns: [
      { name: "a", typeOid: INT4_ARRAY },
      { name: "b", typeOid: INT4_ARRAY },
      { name: "c" },
    ],
  };
  // 22 MB of `1,` may be 134 MB of jsonb, and two of them more than 256 MB.
  const list = `{${"1,".repeat(11_200_000)}1}`;
  const reader = stitcher({}, { maxValueBytes: 2 ** 27 });
  await reader.read(
    wire.block(
      wire.begin({ commitLsn: 100n }),
      wire.relation(relation),
      wire.insert(OID, [list, list, "text"]),
      wire.update(OID, { kind: "O", values: [list, list, "text"] }, [
        wire.unchanged,
        null,
        "text",
      ]),
      wire.commit(100n),
    ),
  );
  const rows = readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0));
  const omitted = `{"$omitted":{"bytes":${list.length},"sha256":"${sha256(list)}"}}`;
  const whole = `"a":[${list.slice(1, -1)}]`;
  expect(rows[0]?.after === `{${whole},"b":${omitted},"c":"text"}`).toBe(true);
  expect(rows[1]?.before === `{${whole},"b":${omitted},"c":"text"}`).toBe(true);
  expect(rows[1]?.after === `{${whole},"b":null,"c":"text"}`).toBe(true);
});

describe("ignored columns", () => {
  const relation: wire.WireRelation = {
    oid: OID,
    columns: [{ name: "id" }, { name: "title" }, { name: "seen_at" }],
  };
  const update = (
    old: wire.OldTuple | undefined,
    ...values: wire.WireValue[]
  ) =>
    rowsOf([wire.update(OID, old, values)], { relation, ignored: ["seen_at"] });
  const whole = { kind: "O" as const, values: ["1", "a", "noon"] };

  test("an update that changes nothing else is left out", async () => {
    expect(await update(whole, "1", "a", "night")).toEqual([]);
    expect(await update(whole, "1", "a", null)).toEqual([]);
    expect(await update(whole, "1", wire.unchanged, "night")).toEqual([]);
  });

  test("an update that changes nothing at all is left out", async () => {
    expect(await update(whole, "1", "a", "noon")).toEqual([]);
  });

  test("an update that also changes another column is recorded whole", async () => {
    const [row] = await update(whole, "1", "b", "night");
    expect(row).toMatchObject({
      before: '{"id":"1","title":"a","seen_at":"noon"}',
      after: '{"id":"1","title":"b","seen_at":"night"}',
    });
    expect(await update(whole, "1", null, "noon")).toHaveLength(1);
    expect(await update(whole, "1", "", "noon")).toHaveLength(1);
    expect(await update(whole, "1", "aa", "noon")).toHaveLength(1);
    const empty = { ...whole, values: ["1", "", "noon"] };
    expect(await update(empty, "1", null, "noon")).toHaveLength(1);
  });

  test("an update whose old row is not known is recorded", async () => {
    expect(await update(undefined, "1", "a", "noon")).toHaveLength(1);
    const key = { kind: "K" as const, values: ["1", null, null] };
    expect(await update(key, "1", null, null)).toHaveLength(1);
  });

  test("an update that changes nothing is recorded where no column is ignored", async () => {
    const changes = [wire.update(OID, whole, ["1", "a", "noon"])];
    expect(await rowsOf(changes, { relation })).toHaveLength(1);
  });

  test("inserts and deletes are recorded", async () => {
    const changes = [
      wire.insert(OID, ["1", "a", "noon"]),
      wire.remove(OID, whole),
    ];
    const ignored = ["id", "title", "seen_at"];
    expect(await rowsOf(changes, { relation, ignored })).toHaveLength(2);
  });
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

test("text whose escapes would be more than a field can hold is left out, what comes after it is not", () => {
  const MEGABYTE = 1024 * 1024;
  // Escaped, 90 MB of control characters are 540 MB; a field ends at 1 GB.
  const lengths = [90, 90, 60].map((megabytes) => megabytes * MEGABYTE);
  const block = Buffer.alloc(150 * MEGABYTE, "x").fill(1, 0, 90 * MEGABYTE);
  const after = new Tuple();
  after.count = 3;
  [0, 0, 90 * MEGABYTE].forEach((start, index) => {
    after.starts[index] = start;
    after.lengths[index] = lengths[index] as number;
  });
  const column = (name: string) => ({
    jsonKey: Buffer.from(`"${name}":`),
    type: valueType(25),
    inIdentity: true,
    ignored: false,
  });
  const relation = {
    oid: OID,
    tracked: true,
    columns: ["a", "b", "c"].map(column),
    hasIgnoredColumns: false,
    partitioned: false,
    key: [],
    fields: Buffer.alloc(0),
  };
  const out = new ByteWriter(1000 * MEGABYTE);
  const maxValueBytes = 128 * MEGABYTE;
  writeAfter(out, {
    block,
    relation,
    before: new Tuple(),
    after,
    maxValueBytes,
  });
  const marker =
    /,"b":\{"\$omitted":\{"bytes":94371840,"sha256":"\w{64}"\}\},"c":"x/;
  const at = '{"a":""'.length + 540 * MEGABYTE;
  expect(out.buffer.toString("latin1", at, at + 200)).toMatch(marker);
  expect(out.length).toBeGreaterThan(at + 60 * MEGABYTE);
});
