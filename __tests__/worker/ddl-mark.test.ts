import { formatChangeId } from "../../worker/row/change-row";
import { DDL_PREFIX } from "../../worker/source/ddl-trigger";
import { readMark } from "../../worker/stream/ddl-mark";
import { readCopyRows } from "../support/copy-rows";
import * as wire from "../support/pgoutput-bytes";
import { OID, stitcher, todo } from "../support/stitching";

const json = JSON.stringify({
  command: "DROP TABLE",
  oid: 4_000_000_000,
  schema: "public",
  table: "todo",
  dropped: true,
});
const mark = wire.message(json, { prefix: DDL_PREFIX });
const begin = wire.begin({ commitLsn: 100n, committedAtMicros: 5n, xid: 7 });

describe("a mark", () => {
  test("is stored as it was sent, with what it is about", () => {
    expect(readMark(Buffer.from(json))).toEqual({
      command: "DROP TABLE",
      object: {
        oid: 4_000_000_000,
        schema: "public",
        table: "todo",
        ancestors: [],
        dropped: true,
      },
      details: Buffer.from(json),
    });
    const partition = { command: "CREATE TABLE", schema: "s", table: "t" };
    const ancestors = [{ schema: "s", table: "p" }, { schema: 1 }, null];
    const text = JSON.stringify({ ...partition, ancestors });
    expect(readMark(Buffer.from(text))?.object.ancestors).toEqual([
      { schema: "s", name: "p" },
    ]);
  });

  test.each([
    ["no JSON", "DROP TABLE t"],
    ["no object", "[]"],
    ["no command", '{"schema": "s"}'],
    ["about nothing", '{"command": "DROP TABLE"}'],
    ["a name that is none", '{"command": "DROP TABLE", "schema": ["s"]}'],
    ["an OID that is none", '{"command": "a", "schema": "s", "oid": "1"}'],
    ["what jsonb refuses", '{"command": "a", "schema": "s", "x": "\\u0000"}'],
    ["too long a name", `{"command": "a", "schema": "${"x".repeat(100_000)}"}`],
    [
      "too large",
      `{"command": "a", "schema": "s", "x": "${"x".repeat(2 ** 20)}"}`,
    ],
  ])("is not %s", async (_, content) => {
    expect(readMark(Buffer.from(content))).toBeUndefined();
    const reader = stitcher();
    const message = wire.message(content, { prefix: DDL_PREFIX });
    await reader.read(wire.block(begin, message, wire.commit(100n)));
    expect(reader.take(1)).toBeUndefined();
    expect(reader.counters).toMatchObject({
      invalidMarks: 1,
      invalidContexts: 0,
      schemaChanges: 0,
    });
  });

  test("that is bound to no transaction is not one", async () => {
    const reader = stitcher();
    const unbound = { prefix: DDL_PREFIX, transactional: false };
    await reader.read(wire.block(wire.message(json, unbound)));
    expect(reader.counters).toMatchObject({
      invalidMarks: 1,
      unboundMessages: 0,
    });
  });

  test("alone in its transaction is a batch, with an end and no month", async () => {
    const reader = stitcher();
    await reader.read(wire.block(begin, mark, wire.commit(100n)));
    expect(reader.hasFinished).toBe(true);
    expect(reader.waitingBytes).toBeGreaterThan(0);
    expect(reader.take(1)).toMatchObject({
      rowCount: 0,
      months: new Set(),
      end: { commitLsn: 100n, position: 100n },
      schemaChanges: [
        {
          id: formatChangeId(100n, 1, 5),
          position: 2n,
          schema: "public",
          table: "todo",
          command: "DROP TABLE",
          details: Buffer.from(json),
          context: Buffer.from("{}"),
          committedAtMicros: 5n,
          transactionId: 7,
        },
      ],
    });
    expect(reader.waitingBytes).toBe(0);
    expect(reader.take(1)).toBeUndefined();
  });

  test("has the id of the next change, and shifts none", async () => {
    const block = (...marks: Buffer[]) =>
      wire.block(
        begin,
        wire.relation(todo),
        ...marks,
        wire.insert(OID, ["1", "a"]),
        ...marks,
        wire.insert(OID, ["2", "b"]),
        wire.commit(100n),
      );
    const [plain, marked] = [stitcher(), stitcher()];
    await plain.read(block());
    await marked.read(block(mark));
    const batch = marked.take(1);
    const idsOf = (rows: Buffer = Buffer.alloc(0)) =>
      readCopyRows(rows).map(({ id }) => id);
    expect(idsOf(batch?.rows)).toEqual(idsOf(plain.take(1)?.rows));
    expect(batch?.schemaChanges?.map(({ id }) => id)).toEqual([
      formatChangeId(100n, 1, 5),
      formatChangeId(100n, 2, 5),
    ]);
  });

  test("of what is not tracked, or that the destination has, is dropped", async () => {
    for (const reader of [
      stitcher({ tracked: false }),
      stitcher({}, { watermark: 100n }),
    ]) {
      await reader.read(wire.block(begin, mark, wire.commit(100n)));
      expect(reader.take(1)).toBeUndefined();
      expect(reader.counters.schemaChanges).toBe(0);
    }
  });

  test("has the nearest context before it, or else the first one after, in parts too", async () => {
    const contexts = (reader: ReturnType<typeof stitcher>) =>
      reader.take(1)?.schemaChanges?.map(({ context }) => String(context));
    const first = wire.message('{"user":1}');
    const second = wire.message('{"user":2}');
    const whole = stitcher();
    await whole.read(
      wire.block(begin, mark, first, mark, second, mark, wire.commit(100n)),
    );
    expect(contexts(whole)).toEqual(['{"user":1}', '{"user":1}', '{"user":2}']);

    const inParts = stitcher();
    await inParts.read(wire.block(begin, mark));
    expect(contexts(inParts)).toEqual(["{}"]);
    await inParts.read(wire.block(mark, first, second, mark));
    await inParts.read(wire.block(wire.commit(100n)));
    const batch = inParts.take(1);
    expect(batch?.schemaChanges?.map(({ context }) => String(context))).toEqual(
      ['{"user":1}', '{"user":2}'],
    );
    expect(batch?.lateContext).toMatchObject({
      lastSchemaChangeId: formatChangeId(100n, 1, 5),
      position: 2n,
      context: Buffer.from('{"user":1}'),
    });
  });
});
