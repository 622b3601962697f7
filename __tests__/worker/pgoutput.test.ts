import {
  MessageReader,
  NULL,
  Tuple,
  UNCHANGED,
  UnreadableMessageError,
} from "../../worker/stream/pgoutput";
import * as wire from "../support/pgoutput-bytes";

/** Reads a message that stands in the middle of a block. */
function open(message: Buffer, end = message.length): MessageReader {
  const reader = new MessageReader();
  const block = Buffer.concat([Buffer.alloc(3, 0xee), message]);
  expect(reader.open(block, 3, 3 + end)).toBe(message[0]);
  return reader;
}

test("Begin: commit LSN, time with microseconds and an unsigned transaction id", () => {
  const message = wire.begin({
    commitLsn: 0xffff_ffff_ffff_ffffn,
    committedAtMicros: 784_111_777_123_456n,
    xid: 3_000_000_001,
  });
  expect(open(message).begin()).toEqual({
    commitLsn: 0xffff_ffff_ffff_ffffn,
    committedAtMicros: 784_111_777_123_456n,
    transactionId: 3_000_000_001,
  });
});

test("Begin: a time before 2000 is negative", () => {
  const before2000 = BigInt.asUintN(64, -1n);
  const message = wire.begin({ commitLsn: 1n, committedAtMicros: before2000 });
  expect(open(message).begin().committedAtMicros).toBe(-1n);
});

test("Commit: the start of the commit record, not its end", () => {
  expect(open(wire.commit(0x16_b374_d848n)).commit()).toBe(0x16_b374_d848n);
});

test("Relation: OIDs above 2^31, names of any characters, key columns", () => {
  const message = wire.relation({
    oid: 4_294_967_295,
    schema: 'S "é',
    table: "\ufefftab\tle",
    identity: "i",
    columns: [
      { name: "__proto__", typeOid: 4_000_000_000, key: true },
      { name: "", typeOid: 25 },
    ],
  });
  expect(open(message).relation()).toEqual({
    oid: 4_294_967_295,
    schema: 'S "é',
    table: "\ufefftab\tle",
    replicaIdentity: "i",
    columns: [
      { name: "__proto__", typeOid: 4_000_000_000, inIdentity: true },
      { name: "", typeOid: 25, inIdentity: false },
    ],
  });
});

test("Relation: the empty schema name stands for pg_catalog", () => {
  const message = wire.relation({ oid: 1, schema: "", columns: [] });
  expect(open(message).relation().schema).toBe("pg_catalog");
});

test("Type: the type under a domain, the empty schema name for pg_catalog", () => {
  const oid = 4_000_000_000;
  const read = (schema: string) =>
    open(wire.type({ oid, schema, name: "jsonb" })).type();
  expect(read("")).toEqual({ oid, schema: "pg_catalog", name: "jsonb" });
  expect(read("é")).toEqual({ oid, schema: "é", name: "jsonb" });
});

test("a row: text, empty text, null and unchanged are four different things", () => {
  const values: wire.WireValue[] = ["a", "", null, wire.unchanged, "\ufeffé"];
  const reader = open(wire.insert(3_000_000_000, values));
  const tuple = new Tuple();
  expect(reader.relationOid()).toBe(3_000_000_000);
  reader.insert(tuple);
  expect(tuple.count).toBe(5);
  expect([...tuple.lengths.subarray(0, 5)]).toEqual([1, 0, NULL, UNCHANGED, 5]);
});

test.each([
  ["without an old row", undefined, -1, false],
  ["with the whole old row", "O", 2, false],
  ["with its key alone", "K", 2, true],
] as const)("Update %s", (_, kind, count, keyOnly) => {
  const old = kind && { kind, values: ["1", null] };
  const reader = open(wire.update(1, old, ["2", "b"]));
  const [before, after] = [new Tuple(), new Tuple()];
  before.count = 7;
  after.keyOnly = true;
  reader.relationOid();
  reader.update(before, after);
  expect(before.count).toBe(count);
  expect(before.count >= 0 && before.keyOnly).toBe(keyOnly);
  expect(after).toMatchObject({ count: 2, keyOnly: false });
});

test.each(["O", "K"] as const)("Delete with an old row of kind %s", (kind) => {
  const reader = open(wire.remove(9, { kind, values: ["1"] }));
  const before = new Tuple();
  expect(reader.relationOid()).toBe(9);
  reader.delete(before);
  expect(before).toMatchObject({ count: 1, keyOnly: kind === "K" });
});

test("Truncate: every table, in order", () => {
  const oids = [3_000_000_000, 1, 2];
  expect(open(wire.truncate(...oids)).truncate().oids).toEqual(oids);
});

test("Message: prefix, content and whether it belongs to a transaction", () => {
  const content = Buffer.of(0, 1, 0xff);
  const reader = open(wire.message(content, { prefix: "é" }));
  expect(reader.message()).toEqual({
    transactional: true,
    prefix: "é",
    content,
    contentBytes: 3,
  });
  const unbound = open(wire.message("", { transactional: false }));
  expect(unbound.message()).toMatchObject({ transactional: false });
});

/** Reads a message to its end, by its own tag. */
function readWhole(reader: MessageReader, tag: string): void {
  const [before, after] = [new Tuple(), new Tuple()];
  switch (tag) {
    case "B":
      return void reader.begin();
    case "C":
      return void reader.commit();
    case "R":
      return void reader.relation();
    case "T":
      return void reader.truncate();
    case "M":
      return void reader.message();
  }
  reader.relationOid();
  if (tag === "I") reader.insert(after);
  else if (tag === "U") reader.update(before, after);
  else reader.delete(before);
}

test.each([
  ["Begin", wire.begin({ commitLsn: 1n })],
  ["Relation", wire.relation({ oid: 1, columns: [{ name: "id" }] })],
  ["Insert", wire.insert(1, ["abc", null])],
  ["Update", wire.update(1, { kind: "O", values: ["a"] }, ["abc"])],
  ["Delete", wire.remove(1, { kind: "K", values: ["abc"] })],
  ["Truncate", wire.truncate(1, 2)],
  ["Message", wire.message("{}")],
])("%s: cut off anywhere, it is refused and never read short", (_, message) => {
  const tag = String.fromCharCode(message[0] as number);
  for (let end = 1; end < message.length; end++) {
    expect(() => readWhole(open(message, end), tag)).toThrow(
      UnreadableMessageError,
    );
  }
  readWhole(open(message), tag);
});

test("an empty message has no tag to read", () => {
  const reader = new MessageReader();
  expect(() => reader.open(Buffer.alloc(4), 2, 2)).toThrow(
    UnreadableMessageError,
  );
});

test("a length past the end is refused although the block goes on", () => {
  const message = wire.insert(1, ["abc"]);
  message.writeUInt32BE(1_000, message.length - 7);
  const reader = new MessageReader();
  const block = Buffer.concat([message, Buffer.alloc(5_000)]);
  reader.open(block, 0, message.length);
  reader.relationOid();
  expect(() => reader.insert(new Tuple())).toThrow(/past the end/);
});

test.each([
  ["a value", wire.insert(1, ["a"]), 8, "x"],
  ["a binary value", wire.insert(1, ["a"]), 8, "b"],
  ["a new row", wire.insert(1, ["a"]), 5, "O"],
  ["an old row", wire.remove(1, { kind: "O", values: ["a"] }), 5, "N"],
  ["an update's row", wire.update(1, undefined, ["a"]), 5, "X"],
])(
  "%s of an unknown kind is refused, and its bytes are not in the error",
  (_, message, at, kind) => {
    message.write(kind, at, "latin1");
    const tag = String.fromCharCode(message[0] as number);
    expect(() => readWhole(open(message), tag)).toThrow(
      /unreadable pgoutput message: (tuple|value) kind \d+, \d+ bytes left$/,
    );
  },
);

test("more columns than a table can have are refused", () => {
  const message = wire.insert(1, []);
  message.writeUInt16BE(1_665, message.length - 2);
  expect(() => readWhole(open(message), "I")).toThrow(/1665 columns/);
});
