import { ByteWriter } from "../../worker/row/byte-writer";
import {
  COPY_COLUMNS,
  EMPTY_JSON_FIELD,
  formatChangeId,
  idStart,
  jsonField,
  replaceContext,
  sourceIdentity,
  textField,
  transactionFields,
  writeChangeId,
  writeRowStart,
} from "../../worker/row/change-row";

const MAX_IDENTITY = 2 ** 30 - 1;
const MAX_ORDINAL = 2 ** 32 - 1;
const MAX_LSN = 2n ** 60n - 1n;

function writtenId(lsn: bigint, ordinal: number, identity: number): string {
  const out = new ByteWriter(16);
  writeChangeId(out, idStart(lsn), ordinal, identity);
  const hex = out.buffer.toString("hex", 0, out.length);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const parts: readonly (readonly [bigint, number, number])[] = [
  [0n, 0, 0],
  [0n, 1, 0],
  [0n, 3, MAX_IDENTITY],
  [0n, 4, 0],
  [0n, MAX_ORDINAL, MAX_IDENTITY],
  [1n, 0, 0],
  [0xfffn, 1, 5],
  [0x1000n, 1, 5],
  [0xffff_ffffn, 2 ** 31, 5],
  [0x1_0000_0000n, 1, 5],
  [0x16_b374_d848n, 1, 1],
  [0x16_b374_d848n, 1, 2],
  [0x16_b374_d848n, 2, 0],
  [MAX_LSN, MAX_ORDINAL, MAX_IDENTITY],
];

describe("a change's id", () => {
  test("is a UUIDv8: commit LSN, ordinal and source, most significant first", () => {
    expect(formatChangeId(0x0123_4567_89ab_cden, 0, 0)).toBe(
      "01234567-89ab-8cde-8000-000000000000",
    );
    expect(formatChangeId(0n, 1, 0)).toBe(
      "00000000-0000-8000-8000-000040000000",
    );
    expect(formatChangeId(0n, 0, 1)).toBe(
      "00000000-0000-8000-8000-000000000001",
    );
    expect(formatChangeId(MAX_LSN, MAX_ORDINAL, MAX_IDENTITY)).toBe(
      "ffffffff-ffff-8fff-bfff-ffffffffffff",
    );
  });

  test.each(parts)(
    "is the same text and the same bytes for LSN %s, change %i of source %i",
    (...of) => {
      expect(writtenId(...of)).toBe(formatChangeId(...of));
    },
  );

  test("orders as text by commit LSN, then by ordinal, then by source", () => {
    const ids = parts.map((of) => formatChangeId(...of));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("gives commit LSN, ordinal and source back", () => {
    for (const [lsn, ordinal, identity] of parts) {
      const hex = formatChangeId(lsn, ordinal, identity).replaceAll("-", "");
      const bits = BigInt(`0x${hex}`);
      const low = bits & ((1n << 62n) - 1n);
      expect((bits >> 80n) * 4096n + ((bits >> 64n) & 0xfffn)).toBe(lsn);
      expect(Number(low >> 30n)).toBe(ordinal);
      expect(Number(low & 0x3fff_ffffn)).toBe(identity);
    }
  });
});

test("a slot's identity has 30 bits and differs by server, database and slot", () => {
  const identities = [
    sourceIdentity({
      systemIdentifier: "7000000000000000001",
      databaseOid: 16384,
      slotName: "bemi",
    }),
    sourceIdentity({
      systemIdentifier: "7000000000000000002",
      databaseOid: 16384,
      slotName: "bemi",
    }),
    sourceIdentity({
      systemIdentifier: "7000000000000000001",
      databaseOid: 16385,
      slotName: "bemi",
    }),
    sourceIdentity({
      systemIdentifier: "7000000000000000001",
      databaseOid: 16384,
      slotName: "bemi_2",
    }),
  ];
  expect(new Set(identities).size).toBe(4);
  for (const identity of identities) {
    expect(identity).toBeLessThanOrEqual(MAX_IDENTITY);
  }
});

test("a transaction's fields keep microseconds, times before 2000 and ids above 2^31", () => {
  const fields = transactionFields(-1n, 784_111_777_000_001n, 3_000_000_000);
  expect(fields.readInt32BE(0)).toBe(8);
  expect(fields.readBigInt64BE(4)).toBe(-1n);
  expect(fields.readInt32BE(12)).toBe(8);
  expect(fields.readBigInt64BE(16)).toBe(784_111_777_000_001n);
  expect(fields.readInt32BE(24)).toBe(8);
  expect(fields.readBigInt64BE(28)).toBe(3_000_000_000n);
});

test("a text's length counts bytes, not characters", () => {
  expect(textField("é€")).toEqual(
    Buffer.concat([Buffer.of(0, 0, 0, 5), Buffer.from("é€")]),
  );
});

/** Rows as `TransactionRows` writes them, from a key on by hand. */
function rows(contexts: readonly Buffer[]): Buffer {
  const out = new ByteWriter(16);
  contexts.forEach((context, index) => {
    writeRowStart(out, {
      idStart: idStart(1n),
      transactionFields: transactionFields(0n, 0n, 1),
      ordinal: index,
      identity: 0,
      block: Buffer.alloc(8),
      lsnAt: 0,
      tableFields: Buffer.concat(["db", "public", "todo"].map(textField)),
      operation: "CREATE",
    });
    // A null key, a key with the bytes of lengths in it, an empty one.
    if (index === 0) out.int32(-1);
    else out.bytes(textField("\u0000\u0000\u0000\u0001".repeat(index - 1)));
    out.bytes(EMPTY_JSON_FIELD);
    out.bytes(jsonField(Buffer.from(`{"n":${index}}`)));
    out.bytes(context);
  });
  return Buffer.from(out.buffer.subarray(0, out.length));
}

test("a context that comes late replaces that of every row, and nothing else", () => {
  const late = jsonField(Buffer.from('{"user":"much longer than before"}'));
  const early = [EMPTY_JSON_FIELD, late, EMPTY_JSON_FIELD, EMPTY_JSON_FIELD];
  expect(replaceContext(rows(early), late)).toEqual(
    rows(early.map(() => late)),
  );
  expect(replaceContext(Buffer.alloc(0), late)).toEqual(Buffer.alloc(0));
});

test("context is the last column of a row, as replacing it needs", () => {
  expect(COPY_COLUMNS.at(-1)).toBe("context");
});
