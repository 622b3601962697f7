/** Frames of the stream from all that the server sends, whole and in order, and large ones taken in apart. */

import { between, pick, type Random, seeded } from "../../scripts/soak/random";
import { FRAME, FRAME_AT } from "../../worker/stream/frame-queue";
import { MessageSplitter } from "../../worker/stream/message-splitter";
import { UnreadableMessageError } from "../../worker/stream/pgoutput";
import { readCopyRows } from "../support/copy-rows";
import * as wire from "../support/pgoutput-bytes";
import { OID, stitcher, todo } from "../support/stitching";

const MAX_VALUE_BYTES = 1_000;
const LARGE = "é".repeat(600_000);
const LARGER = `${LARGE}x`;
/** Over the threshold without a value over the limit. */
const MANY = Array.from({ length: 1_500 }, () => "v".repeat(1_000));

/** XLogData as the server sends it in a CopyData message. */
function copyData(payload: Buffer, lsn = 7n, kind = FRAME.data): Buffer {
  const body = Buffer.concat([
    Buffer.of(kind),
    wire.uint64(lsn),
    wire.uint64(lsn),
    wire.uint64(0n),
    payload,
  ]);
  return message(0x64, body);
}

function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type), wire.uint32(body.length + 4), body]);
}

type Part = Buffer | { readonly frame: Buffer };

/** What comes out, in order: bytes that passed, joined, and frames. */
function split(bytes: Buffer, cut: () => number): Part[] {
  const out: Part[] = [];
  const splitter = new MessageSplitter({
    maxValueBytes: MAX_VALUE_BYTES,
    pass(part) {
      const last = out.at(-1);
      const copy = Buffer.from(part);
      if (Buffer.isBuffer(last))
        out[out.length - 1] = Buffer.concat([last, copy]);
      else out.push(copy);
    },
    push(whole, from, to) {
      for (let at = from; at < to; ) {
        const end = at + FRAME_AT.length + whole.readUInt32BE(at + 1);
        out.push({ frame: Buffer.from(whole.subarray(at, end)) });
        at = end;
      }
    },
    adopt: (frame) => out.push({ frame }),
  });
  for (let at = 0; at < bytes.length; ) {
    const end = at + cut();
    // A copy, which is overwritten: the socket's buffers are used again.
    const chunk = Buffer.from(bytes.subarray(at, end));
    splitter.push(chunk);
    chunk.fill(0xee);
    at = end;
  }
  return out;
}

/** The only frame that comes of a large message. */
function frameOf(payload: Buffer): Buffer {
  const out = split(copyData(payload), () => 60_000);
  expect(out).toHaveLength(1);
  return (out[0] as { frame: Buffer }).frame;
}

function randomMessage(random: Random): Buffer {
  const size = pick(random, [0, 1, 20, 5_000, 1_048_570, 1_100_000]);
  const body = Buffer.alloc(size, between(random, 0, 255));
  if (pick(random, [true, false]))
    return message(0x44, body.subarray(0, 5_000));
  if (pick(random, [true, false, false])) {
    return message(
      0x64,
      Buffer.concat([Buffer.from("k"), Buffer.alloc(17, 1)]),
    );
  }
  return copyData(Buffer.concat([Buffer.from("R"), body]), BigInt(size));
}

test("changes become frames and all other bytes pass, as they came, in order and whatever the pieces", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = seeded(seed);
    const messages = Array.from({ length: 24 }, () => randomMessage(random));
    const pieces = seed <= 3 ? [1, 4, 5, 64, 70_000] : [16_384, 65_536];
    const out = split(Buffer.concat(messages), () => pick(random, pieces));
    const expected: Part[] = [];
    for (const one of messages) {
      const last = expected.at(-1);
      if (one[0] === 0x64 && one[5] === FRAME.data) {
        expected.push({ frame: one });
      } else if (Buffer.isBuffer(last)) {
        expected[expected.length - 1] = Buffer.concat([last, one]);
      } else expected.push(one);
    }
    expect(out.length).toBe(expected.length);
    out.forEach((part, index) => {
      const other = expected[index];
      const bytes = (of: typeof other) =>
        Buffer.isBuffer(of) ? of : of?.frame;
      expect(bytes(part)?.equals(bytes(other) ?? Buffer.alloc(0))).toBe(true);
      expect(Buffer.isBuffer(part)).toBe(Buffer.isBuffer(other));
    });
  }
});

describe("the row of a large message is the same as of one that passed", () => {
  const wide: wire.WireRelation = {
    ...todo,
    columns: [
      { name: "id", key: true },
      ...MANY.map((_, n) => ({ name: `c${n}` })),
    ],
  };
  const two: wire.WireRelation = {
    ...todo,
    columns: [
      { name: "id", typeOid: 20, key: true },
      { name: "a" },
      { name: "b" },
    ],
  };
  const old = (kind: "O" | "K", ...values: wire.WireValue[]) => ({
    kind,
    values,
  });
  test.each<[string, wire.WireRelation, Buffer]>([
    ["insert", two, wire.insert(OID, ["1", LARGE, null])],
    ["insert of many short values", wide, wire.insert(OID, ["1", ...MANY])],
    [
      "update without an old row",
      two,
      wire.update(OID, undefined, ["1", "short", LARGE]),
    ],
    [
      "update with the old row",
      two,
      wire.update(OID, old("O", "1", LARGE, ""), ["2", LARGER, LARGE]),
    ],
    [
      "update that leaves a value alone",
      two,
      wire.update(OID, old("O", "1", LARGE, null), ["1", wire.unchanged, "x"]),
    ],
    [
      "update with the old key",
      two,
      wire.update(OID, old("K", "1", null, null), ["2", LARGE, wire.unchanged]),
    ],
    ["delete", two, wire.remove(OID, old("O", "1", LARGE, LARGER))],
    [
      "key",
      {
        ...two,
        columns: two.columns.map((column) => ({ ...column, typeOid: 25 })),
      },
      wire.insert(OID, [LARGE, "a", ""]),
    ],
  ])("%s", async (_, relation, payload) => {
    const rows = async (frame: Buffer) => {
      const reader = stitcher({}, { maxValueBytes: MAX_VALUE_BYTES });
      await reader.read(
        wire.block(wire.begin({ commitLsn: 9n }), wire.relation(relation)),
      );
      await reader.read(frame);
      await reader.read(wire.block(wire.commit(9n)));
      return readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0));
    };
    const reduced = frameOf(payload);
    const whole = wire.frame(FRAME.data, payload, 7n);
    expect(await rows(reduced)).toEqual(await rows(whole));
    const isReduced = payload.includes(LARGE);
    expect(reduced[FRAME_AT.kind]).toBe(isReduced ? FRAME.reduced : FRAME.data);
    expect(reduced.length).toBeLessThan(isReduced ? 300 : whole.length + 1);
  });

  test("an update is left out when nothing but ignored columns changed, and no other", async () => {
    const kept = async (before: string, after: string) => {
      const reader = stitcher(
        { ignored: ["b"] },
        { maxValueBytes: MAX_VALUE_BYTES },
      );
      await reader.read(
        wire.block(wire.begin({ commitLsn: 9n }), wire.relation(two)),
      );
      await reader.read(
        frameOf(
          wire.update(OID, old("O", "1", before, "x"), ["1", after, "y"]),
        ),
      );
      return reader.counters.filtered === 0;
    };
    expect(await kept(LARGE, LARGE)).toBe(false);
    expect(await kept(LARGE, `x${LARGE.slice(1)}x`)).toBe(true);
    expect(await kept(LARGE, LARGER)).toBe(true);
  });
});

describe("a large logical message", () => {
  const contextOf = async (...messages: Buffer[]) => {
    const reader = stitcher();
    await reader.read(
      wire.block(wire.begin({ commitLsn: 9n }), wire.relation(todo)),
    );
    for (const payload of messages) await reader.read(frameOf(payload));
    await reader.read(
      wire.block(wire.insert(OID, ["1", "a"]), wire.commit(9n)),
    );
    return readCopyRows(reader.take(1)?.rows ?? Buffer.alloc(0))[0]?.context;
  };
  const large = `{"a":"${"x".repeat(5_000_000)}"}`;

  test("is kept no further than a context may be, and counted with its length", async () => {
    expect(frameOf(wire.message(large)).length).toBeLessThan(2_200_000);
    expect(await contextOf(wire.message(large))).toBe(
      `{"$invalid":"too large","bytes":${large.length}}`,
    );
    // The same beginning, but another length.
    expect(
      await contextOf(wire.message(large), wire.message(`${large} `)),
    ).toBe(`{"$invalid":"too large","bytes":${large.length + 1}}`);
  });

  test("of another's, whatever its prefix, is nothing", async () => {
    expect(await contextOf(wire.message(large, { prefix: "other" }))).toBe(
      "{}",
    );
    const prefix = "p".repeat(4_000_000);
    expect(await contextOf(wire.message("{}", { prefix }))).toBe("{}");
  });
});

describe("a large message that cannot be read is refused as a small one is", () => {
  const payload = wire.insert(OID, ["1", LARGE]);
  const edited = (at: number, value: number) => {
    const copy = Buffer.from(payload);
    copy[at] = value;
    return copy;
  };
  // In an Insert: tag, relation, "N", number of columns, then the first value.
  const firstKind = 1 + 4 + 1 + 2;
  test.each<[string, Buffer]>([
    ["of an unknown kind", edited(0, 0x5a)],
    ["of a tuple of an unknown kind", edited(5, 0x5a)],
    ["whose value is of an unknown kind", edited(firstKind, 0x78)],
    ["whose value pretends to be hashed", edited(firstKind, 0x68)],
    ["with more columns than values", edited(firstKind - 1, 9)],
    ["that ends in a value", payload.subarray(0, -1)],
  ])("%s", async (_, broken) => {
    const reader = stitcher();
    await reader.read(
      wire.block(wire.begin({ commitLsn: 9n }), wire.relation(todo)),
    );
    await expect(reader.read(frameOf(broken))).rejects.toThrow(
      UnreadableMessageError,
    );
  });

  test.each([0, 3, 4, 28])("that says it has %s bytes", (size) => {
    const broken = copyData(payload);
    broken.writeUInt32BE(size, 1);
    expect(() => split(broken, () => 60_000)).toThrow(UnreadableMessageError);
  });

  test("that is not the stream's", () => {
    expect(() =>
      split(copyData(payload, 1n, 0x7a as typeof FRAME.data), () => 60_000),
    ).toThrow(UnreadableMessageError);
  });
});

test("the transaction that is being received is known, wherever its messages are cut", () => {
  const splitter = new MessageSplitter({
    maxValueBytes: MAX_VALUE_BYTES,
    pass: () => undefined,
    push: () => undefined,
    adopt: () => undefined,
  });
  const give = (payload: Buffer, pieces: number) => {
    const bytes = copyData(payload);
    for (let at = 0; at < bytes.length; at += pieces) {
      splitter.push(bytes.subarray(at, at + pieces));
    }
    return splitter.openCommitLsn;
  };
  for (const pieces of [1, 7, 1_000]) {
    expect(give(wire.begin({ commitLsn: 9n }), pieces)).toBe(9n);
    expect(give(wire.insert(OID, ["1", "a"]), pieces)).toBe(9n);
    expect(give(wire.commit(9n), pieces)).toBeUndefined();
  }
});
