import { formatChangeId } from "../../worker/row/change-row";
import { UnreadableMessageError } from "../../worker/stream/pgoutput";
import { readCopyRows } from "../support/copy-rows";
import * as wire from "../support/pgoutput-bytes";
import { NOW_MS, OID, stitcher, todo } from "../support/stitching";

test("a row has everything that the documented columns promise", async () => {
  const reader = stitcher();
  await reader.read(
    wire.block(
      wire.begin({
        commitLsn: 100n,
        committedAtMicros: 784_111_777_123_456n,
        xid: 3_000_000_001,
      }),
      wire.message('{"user":1}'),
      wire.relation({ ...todo, schema: "s", table: "t" }),
      wire.insert(OID, ["1", "a"]),
      wire.commit(100n),
    ),
  );
  const batch = reader.take(1);
  expect(readCopyRows(batch?.rows ?? Buffer.alloc(0))).toEqual([
    {
      id: formatChangeId(100n, 1, 5).replaceAll("-", ""),
      committed_at: 784_111_777_123_456n,
      queued_at: BigInt(NOW_MS - Date.UTC(2000, 0, 1)) * 1000n,
      transaction_id: 3_000_000_001n,
      position: 4n,
      database: "app",
      schema: "s",
      table: "t",
      operation: "CREATE",
      primary_key: "1",
      before: "{}",
      after: '{"id":1,"title":"a"}',
      context: '{"user":1}',
    },
  ]);
  expect(batch).toMatchObject({
    rowCount: 1,
    months: new Set([2024 * 12 + 10]),
    end: { commitLsn: 100n, position: 100n },
  });
});

test("what is left out still counts: a change has the same id under any configuration", async () => {
  const other = { ...todo, oid: 2, table: "other" };
  const block = wire.block(
    wire.begin({ commitLsn: 100n }),
    wire.relation(todo),
    wire.relation(other),
    wire.insert(OID, ["1", "a"]),
    wire.truncate(OID, 2),
    wire.insert(2, ["2", "b"]),
    wire.commit(100n),
  );
  const idsOf = async (tracked: (table: string) => boolean) => {
    const reader = stitcher(
      {},
      {
        policy: {
          database: "app",
          describe: async ({ table }) => ({
            tracked: tracked(table),
            primaryKey: undefined,
            ignores: () => false,
          }),
          tracksDdlOf: () => false,
        },
      },
    );
    await reader.read(block);
    const rows = readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0));
    return rows.map(({ id }) => id);
  };
  const all = await idsOf(() => true);
  expect(all).toHaveLength(4);
  expect(await idsOf((table) => table === "other")).toEqual([all[2], all[3]]);
  expect(await idsOf((table) => table === "todo")).toEqual([all[0], all[1]]);
});

test("a transaction that the destination has is read and not stored again", async () => {
  const reader = stitcher({}, { watermark: 100n });
  const transaction = (commitLsn: bigint) => [
    wire.begin({ commitLsn }),
    wire.message("no context"),
    wire.relation(todo),
    wire.insert(OID, ["1", "a"]),
    wire.commit(commitLsn),
  ];
  await reader.read(
    wire.block(...transaction(99n), ...transaction(100n), ...transaction(101n)),
  );
  expect(reader.take(1)).toMatchObject({
    rowCount: 1,
    end: { commitLsn: 101n },
  });
  expect(reader.counters).toMatchObject({
    transactions: 3,
    replayed: 2,
    changes: 1,
    invalidContexts: 1,
  });
});

describe("a transaction that is handed on in parts", () => {
  const insert = (id: number) => wire.insert(OID, [String(id), "a"]);
  const start = [wire.begin({ commitLsn: 100n }), wire.relation(todo)];
  const contexts = (batch: { readonly rows: Buffer } | undefined) =>
    readCopyRows(batch?.rows ?? Buffer.alloc(0)).map(({ context }) => context);

  test("has no end until its commit, and nothing is given out twice", async () => {
    const reader = stitcher();
    await reader.read(wire.block(...start, insert(1), insert(2)));
    const first = reader.take(1);
    expect(first).toMatchObject({ rowCount: 2 });
    expect(first?.end).toBeUndefined();
    expect(reader.take(1)).toBeUndefined();
    await reader.read(wire.block(insert(3), wire.commit(100n)));
    const last = reader.take(1);
    expect(last).toMatchObject({ rowCount: 1, end: { commitLsn: 100n } });
    expect(last?.lateContext).toBeUndefined();
  });

  test("that ends with nothing more still has an end", async () => {
    const reader = stitcher();
    await reader.read(wire.block(...start, insert(1)));
    reader.take(1);
    await reader.read(wire.block(wire.commit(100n)));
    expect(reader.take(1)).toMatchObject({
      rowCount: 0,
      end: { commitLsn: 100n },
    });
  });

  test("gives a context that comes late to the rows that are still here, and names those that are not", async () => {
    const reader = stitcher();
    await reader.read(wire.block(...start, insert(1), insert(2)));
    expect(contexts(reader.take(1))).toEqual(["{}", "{}"]);
    await reader.read(
      wire.block(
        insert(3),
        wire.message('{"user":1}'),
        insert(4),
        wire.message('{"user":2}'),
        insert(5),
        wire.commit(100n),
      ),
    );
    const last = reader.take(1);
    expect(contexts(last)).toEqual(['{"user":1}', '{"user":1}', '{"user":2}']);
    expect(last?.lateContext).toEqual({
      firstId: formatChangeId(100n, 0, 0),
      lastId: formatChangeId(100n, 2, 5),
      lastSchemaChangeId: formatChangeId(100n, 3, 5),
      position: 2n,
      identity: 5,
      context: Buffer.from('{"user":1}'),
    });
  });

  test("needs no late context when it had one before its first part", async () => {
    const reader = stitcher();
    const message = wire.message('{"user":1}');
    await reader.read(wire.block(...start, message, insert(1)));
    reader.take(1);
    await reader.read(
      wire.block(wire.message('{"user":2}'), insert(2), wire.commit(100n)),
    );
    expect(reader.take(1)?.lateContext).toBeUndefined();
  });

  test("has no part in the batch before it, and its late context is its own", async () => {
    const reader = stitcher();
    const before = [
      wire.begin({ commitLsn: 90n }),
      wire.relation(todo),
      insert(0),
      wire.commit(90n),
    ];
    await reader.read(wire.block(...before, ...start, insert(1)));
    expect(reader.take(1)).toMatchObject({
      rowCount: 1,
      end: { commitLsn: 90n, position: 90n },
    });
    await reader.read(
      wire.block(wire.message('{"user":1}'), wire.commit(100n)),
    );
    const batch = reader.take(1);
    expect(contexts(batch)).toEqual(['{"user":1}']);
    expect(batch?.lateContext).toBeUndefined();
  });
});

describe("the position", () => {
  test("is a commit's start, or a keepalive's between transactions", async () => {
    const reader = stitcher({}, { watermark: 7n });
    expect(reader.position).toBe(7n);
    await reader.read(wire.keepalive(50n));
    expect(reader.position).toBe(50n);
    await reader.read(wire.block(wire.begin({ commitLsn: 100n })));
    await reader.read(wire.keepalive(90n));
    expect(reader.position).toBe(50n);
    await reader.read(wire.block(wire.commit(100n)));
    expect(reader.position).toBe(100n);
  });
});

describe("a stream that cannot be understood stops the worker", () => {
  const begin = wire.begin({ commitLsn: 100n });
  test.each([
    ["an unknown message", [Buffer.from("Zabc")]],
    ["a streamed transaction", [Buffer.from("Sabc")]],
    ["a prepared transaction", [Buffer.from("babc")]],
    ["a Begin in a transaction", [begin, begin]],
    ["a Commit of another transaction", [begin, wire.commit(99n)]],
    ["a Commit without a Begin", [wire.commit(99n)]],
    ["a row of an unannounced table", [begin, wire.insert(1, ["a"])]],
    [
      "a row outside a transaction",
      [wire.relation(todo), wire.insert(OID, ["1", "a"])],
    ],
    ["a context outside a transaction", [wire.message("{}")]],
    [
      "a row with too few columns",
      [begin, wire.relation(todo), wire.insert(OID, ["1"])],
    ],
    [
      "an old row with too many columns",
      [
        begin,
        wire.relation(todo),
        wire.remove(OID, { kind: "O", values: ["1", "a", "b"] }),
      ],
    ],
  ])("%s", async (_, messages) => {
    await expect(stitcher().read(wire.block(...messages))).rejects.toThrow(
      UnreadableMessageError,
    );
  });

  test("types and origins are no changes and no errors", async () => {
    const reader = stitcher();
    const type = { oid: 20_000, schema: "", name: "int4" };
    await reader.read(wire.block(begin, wire.type(type), Buffer.from("O1")));
    expect(reader.counters.changes).toBe(0);
  });

  test("a domain is shown as what the stream said of its type last, and only of a built-in one", async () => {
    const domain = 20_000;
    const rows = async (...types: { schema: string; name: string }[]) => {
      const reader = stitcher();
      await reader.read(
        wire.block(
          begin,
          ...types.map((type) => wire.type({ oid: domain, ...type })),
          wire.relation({ ...todo, columns: [{ name: "d", typeOid: domain }] }),
          wire.insert(OID, ["{1}"]),
          wire.commit(100n),
        ),
      );
      return readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0))[0]?.after;
    };
    const integers = { schema: "", name: "_int4" };
    expect(await rows(integers)).toBe('{"d":[1]}');
    expect(await rows()).toBe('{"d":"{1}"}');
    expect(await rows({ schema: "app", name: "_int4" })).toBe('{"d":"{1}"}');
    expect(await rows(integers, { schema: "", name: "text" })).toBe(
      '{"d":"{1}"}',
    );
  });
});

test("a message that is bound to no transaction is counted, and gives no context wherever it arrives", async () => {
  const reader = stitcher();
  const unbound = { transactional: false };
  await reader.read(
    wire.block(
      wire.message('{"user":1}', unbound),
      wire.message("x", { ...unbound, prefix: "other" }),
      wire.begin({ commitLsn: 100n }),
      wire.relation(todo),
      wire.insert(OID, ["1", "a"]),
      wire.message('{"user":2}', unbound),
      wire.insert(OID, ["2", "b"]),
      wire.commit(100n),
    ),
  );
  const rows = readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0));
  expect(rows.map(({ context }) => context)).toEqual(["{}", "{}"]);
  expect(reader.counters.unboundMessages).toBe(2);
});
