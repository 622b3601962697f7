/**
 * One row of `changes` in COPY's binary format: no escaping, and timestamps and
 * positions go from wire to disk without a conversion.
 * https://www.postgresql.org/docs/current/sql-copy.html (Binary Format)
 */
import { createHash } from "node:crypto";
import type { Lsn } from "../lsn";
import type { ByteWriter } from "./byte-writer";

/**
 * Columns in the order they are written. `context` comes last: it may become
 * known only after the row, and then replaces the end of it.
 */
export const COPY_COLUMNS = [
  "id",
  "committed_at",
  "queued_at",
  "transaction_id",
  "position",
  "database",
  "schema",
  '"table"',
  "operation",
  "primary_key",
  "before",
  "after",
  "context",
] as const;

/** COPY's signature, flags and header extension. */
export const COPY_HEADER = Buffer.concat([
  Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"),
  Buffer.alloc(8),
]);
/** COPY's end: a row of -1 fields. */
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

/** First byte of jsonb in binary. */
const JSONB_VERSION = 1;

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "TRUNCATE";

const OPERATION_FIELDS: Readonly<Record<Operation, Buffer>> = {
  CREATE: textField("CREATE"),
  UPDATE: textField("UPDATE"),
  DELETE: textField("DELETE"),
  TRUNCATE: textField("TRUNCATE"),
};

/** The field `{}`. */
export const EMPTY_JSON_FIELD = jsonField(Buffer.from("{}"));

/** A text value with its length in front. */
export function textField(text: string): Buffer {
  const bytes = Buffer.from(text);
  const field = Buffer.alloc(4 + bytes.length);
  field.writeInt32BE(bytes.length);
  bytes.copy(field, 4);
  return field;
}

/** A jsonb value with its length and version in front. */
export function jsonField(json: Buffer): Buffer {
  const field = Buffer.allocUnsafe(5 + json.length);
  field.writeInt32BE(json.length + 1);
  field[4] = JSONB_VERSION;
  json.copy(field, 5);
  return field;
}

/** Starts a jsonb value that is written piece by piece; end with `endField`. */
export function beginJsonField(out: ByteWriter): number {
  const start = out.beginField();
  out.byte(JSONB_VERSION);
  return start;
}

/** 30 bits that tell a slot of a source from every other in `id`. */
export function sourceIdentity(source: {
  readonly systemIdentifier: string;
  readonly databaseOid: number;
  readonly slotName: string;
}): number {
  const { systemIdentifier, databaseOid, slotName } = source;
  return (
    createHash("sha256")
      .update(JSON.stringify([systemIdentifier, databaseOid, slotName]))
      .digest()
      .readUInt32BE(0) >>> 2
  );
}

/** Fields of a transaction; times in microseconds since 2000-01-01 UTC. */
export function transactionFields(
  committedAtMicros: bigint,
  queuedAtMicros: bigint,
  transactionId: number,
): Buffer {
  const fields = Buffer.allocUnsafe(36);
  fields.writeInt32BE(8, 0);
  fields.writeBigInt64BE(committedAtMicros, 4);
  fields.writeInt32BE(8, 12);
  fields.writeBigInt64BE(queuedAtMicros, 16);
  fields.writeInt32BE(8, 24);
  // Unsigned 32 bits in 64.
  fields.writeInt32BE(0, 28);
  fields.writeUInt32BE(transactionId, 32);
  return fields;
}

/** Writes the fields up to and with `operation`. */
export function writeRowStart(
  out: ByteWriter,
  row: {
    /** `idStart` of the transaction. */
    readonly idStart: Buffer;
    readonly transactionFields: Buffer;
    readonly ordinal: number;
    readonly identity: number;
    /** Block and offset of the 8 bytes of the change's own LSN. */
    readonly block: Buffer;
    readonly lsnAt: number;
    /** database, schema and table, as fields. */
    readonly tableFields: Buffer;
    readonly operation: Operation;
  },
): void {
  out.int16(COPY_COLUMNS.length);
  out.int32(16);
  writeChangeId(out, row.idStart, row.ordinal, row.identity);
  out.bytes(row.transactionFields);
  out.int32(8);
  out.bytes(row.block, row.lsnAt, row.lsnAt + 8);
  out.bytes(row.tableFields);
  out.bytes(OPERATION_FIELDS[row.operation]);
}

/**
 * A UUIDv8 (RFC 9562, section 5.8): 60 bits of the commit LSN, 32 of the
 * change's ordinal in its transaction, 30 of the source's identity. Replaying
 * a change gives the same id, and ids order as the commits do.
 */
export function writeChangeId(
  out: ByteWriter,
  idStart: Buffer,
  ordinal: number,
  identity: number,
): void {
  out.bytes(idStart);
  const target = out.reserve(8);
  const at = out.length;
  // Variant in the two top bits, then ordinal and identity in 62.
  target.writeUInt32BE((0x80000000 | (ordinal >>> 2)) >>> 0, at);
  target.writeUInt32BE((((ordinal & 3) << 30) | identity) >>> 0, at + 4);
  out.length = at + 8;
}

/** The half of the id that a transaction's changes share. */
export function idStart(commitLsn: Lsn): Buffer {
  const start = Buffer.allocUnsafe(8);
  // 48 bits, version, 12 bits.
  start.writeUIntBE(Number(commitLsn >> 12n), 0, 6);
  start.writeUInt16BE(0x8000 | Number(commitLsn & 0xfffn), 6);
  return start;
}

/** The id as text, for a query. */
export function formatChangeId(
  commitLsn: Lsn,
  ordinal: number,
  identity: number,
): string {
  const high = (commitLsn >> 12n).toString(16).padStart(12, "0");
  const version = (0x8000n | (commitLsn & 0xfffn)).toString(16);
  const low = ((2n << 62n) | (BigInt(ordinal) << 30n) | BigInt(identity))
    .toString(16)
    .padStart(16, "0");
  return `${high.slice(0, 8)}-${high.slice(8)}-${version}-${low.slice(0, 4)}-${low.slice(4)}`;
}

/** Finished rows again, with `contextField` in place of their context. */
export function replaceContext(rows: Buffer, contextField: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < rows.length) {
    const start = at;
    at += 2;
    for (let field = 1; field < COPY_COLUMNS.length; field++) {
      at += 4 + Math.max(0, rows.readInt32BE(at));
    }
    parts.push(rows.subarray(start, at), contextField);
    at += 4 + rows.readInt32BE(at);
  }
  return Buffer.concat(parts);
}
