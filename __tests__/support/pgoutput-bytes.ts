/**
 * Builders of the messages that pgoutput sends, and of the stream's frames.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import {
  COPY_DATA,
  FRAME,
  FRAME_AT,
  FRAME_HEADER_BYTES,
} from "../../worker/stream/frame-queue";

/** A value as text, null, or `unchanged`: out of line and not on the wire. */
export type WireValue = string | null | typeof unchanged;
export const unchanged = Symbol("unchanged TOAST");

export interface WireColumn {
  readonly name: string;
  readonly typeOid?: number;
  readonly key?: boolean;
}

export interface WireRelation {
  readonly oid: number;
  readonly schema?: string;
  readonly table?: string;
  readonly identity?: "d" | "n" | "f" | "i";
  readonly columns: readonly WireColumn[];
}

export interface OldTuple {
  readonly kind: "O" | "K";
  readonly values: readonly WireValue[];
}

const TEXT_OID = 25;

export function begin(options: {
  readonly commitLsn: bigint;
  readonly committedAtMicros?: bigint;
  readonly xid?: number;
}): Buffer {
  const { commitLsn, committedAtMicros = 0n, xid = 1 } = options;
  return Buffer.concat([
    tag("B"),
    uint64(commitLsn),
    uint64(committedAtMicros),
    uint32(xid),
  ]);
}

export function commit(commitLsn: bigint): Buffer {
  return Buffer.concat([
    tag("C"),
    Buffer.of(0),
    uint64(commitLsn),
    uint64(commitLsn + 8n),
    uint64(0n),
  ]);
}

/** Of a domain with the schema and name of the type under it. */
export function type(described: {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}): Buffer {
  const { oid, schema, name } = described;
  return Buffer.concat([tag("Y"), uint32(oid), text(schema), text(name)]);
}

export function relation(described: WireRelation): Buffer {
  const { oid, schema = "public", table = "todo", columns } = described;
  return Buffer.concat([
    tag("R"),
    uint32(oid),
    text(schema),
    text(table),
    tag(described.identity ?? "f"),
    uint16(columns.length),
    ...columns.flatMap(({ name, typeOid = TEXT_OID, key = false }) => [
      Buffer.of(key ? 1 : 0),
      text(name),
      uint32(typeOid),
      uint32(0xffffffff),
    ]),
  ]);
}

export function insert(oid: number, values: readonly WireValue[]): Buffer {
  return Buffer.concat([tag("I"), uint32(oid), tag("N"), tuple(values)]);
}

export function update(
  oid: number,
  old: OldTuple | undefined,
  values: readonly WireValue[],
): Buffer {
  return Buffer.concat([
    tag("U"),
    uint32(oid),
    ...(old ? [tag(old.kind), tuple(old.values)] : []),
    tag("N"),
    tuple(values),
  ]);
}

export function remove(oid: number, old: OldTuple): Buffer {
  return Buffer.concat([
    tag("D"),
    uint32(oid),
    tag(old.kind),
    tuple(old.values),
  ]);
}

export function truncate(...oids: readonly number[]): Buffer {
  return Buffer.concat([
    tag("T"),
    uint32(oids.length),
    Buffer.of(1),
    ...oids.map(uint32),
  ]);
}

export function message(
  content: string | Buffer,
  options: { readonly prefix?: string; readonly transactional?: boolean } = {},
): Buffer {
  const { prefix = "_bemi", transactional = true } = options;
  const bytes = Buffer.from(content);
  return Buffer.concat([
    tag("M"),
    Buffer.of(transactional ? 1 : 0),
    uint64(0n),
    text(prefix),
    uint32(bytes.length),
    bytes,
  ]);
}

export function tuple(values: readonly WireValue[]): Buffer {
  return Buffer.concat([
    uint16(values.length),
    ...values.flatMap((value) => {
      if (value === null) return [tag("n")];
      if (value === unchanged) return [tag("u")];
      const bytes = Buffer.from(value);
      return [tag("t"), uint32(bytes.length), bytes];
    }),
  ]);
}

/** A block as `FrameQueue` hands it out; each message with an LSN of its own. */
export function block(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(
    messages.map((payload, index) =>
      frame(FRAME.data, payload, BigInt(index + 1)),
    ),
  );
}

export function keepalive(lsn: bigint): Buffer {
  return frame(FRAME.keepalive, Buffer.alloc(0), lsn);
}

export function frame(kind: number, payload: Buffer, lsn: bigint): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  const size = header.length + payload.length;
  header[0] = COPY_DATA;
  header.writeUInt32BE(size - FRAME_AT.length, FRAME_AT.length);
  header[FRAME_AT.kind] = kind;
  header.writeBigUInt64BE(lsn, FRAME_AT.lsn);
  return Buffer.concat([header, payload]);
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function tag(letter: string): Buffer {
  return Buffer.from(letter, "latin1");
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}
