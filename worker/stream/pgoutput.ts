/**
 * The logical replication message formats, protocol version 1, read in place.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 *
 * A tag that is not known, or a length past the end, throws: skipping what is
 * not understood would lose changes silently.
 */
import type { Lsn } from "../lsn";
import type { ToUtf8 } from "./server-encoding";

/** First byte of a message. */
export const TAG = {
  begin: 0x42, // B
  commit: 0x43, // C
  relation: 0x52, // R
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  type: 0x59, // Y
  origin: 0x4f, // O
} as const;

/** In front of a tuple. */
export const TUPLE = { new: 0x4e, key: 0x4b, old: 0x4f } as const; // N K O

/** In front of a value. */
export const VALUE = { null: 0x6e, unchanged: 0x75, text: 0x74 } as const; // n u t

/**
 * In a reduced message (`large-message.ts`) alone: a value's length as after
 * `t`, and then its SHA-256 in place of its bytes.
 */
export const HASHED_VALUE = 0x68; // h
export const SHA256_BYTES = 32;

/** What a value's length says when there is no value. */
export const NULL = -1;
/** An out-of-line value that the UPDATE did not touch: not on the wire. */
export const UNCHANGED = -2;
/** A value that was too large to be held: its length and hash are there. */
export const HASHED = -3;
/** Bytes of the two. */
export const HASHED_BYTES = 4 + SHA256_BYTES;

/** PostgreSQL's limit is 1,600 columns a table; 1,664 is that of a target list. */
const MAX_COLUMNS = 1664;

const EMPTY = Buffer.alloc(0);

/** Where a row's values stand in the block. Reused from message to message. */
export class Tuple {
  /** Number of columns; -1: the message has no such tuple. */
  count = -1;
  /** Only the replica identity's key columns are known; the rest reads null. */
  keyOnly = false;
  readonly starts = new Int32Array(MAX_COLUMNS);
  /** Bytes of each value, or `NULL`, `UNCHANGED`, `HASHED`. */
  readonly lengths = new Int32Array(MAX_COLUMNS);
}

/** Begin: all that is needed to key a transaction's rows before its commit. */
export interface Begin {
  /** Start of the commit record: the only position ever acknowledged. */
  readonly commitLsn: Lsn;
  /** Microseconds since 2000-01-01 UTC. */
  readonly committedAtMicros: bigint;
  /** Unsigned 32 bits, without epoch. */
  readonly transactionId: number;
}

export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly replicaIdentity: string;
  readonly columns: readonly {
    readonly name: string;
    readonly typeOid: number;
    readonly inIdentity: boolean;
  }[];
}

/** A type that is not built in. */
export interface TypeMessage {
  readonly oid: number;
  /** Of a domain: those of the type that it is made of. */
  readonly schema: string;
  readonly name: string;
}

export interface LogicalMessage {
  readonly transactional: boolean;
  readonly prefix: string;
  /**
   * A view of the block: decode or copy before the next one is taken. Of a
   * reduced message only its beginning.
   */
  readonly content: Buffer;
  readonly contentBytes: number;
}

/** Reads the messages of one block; a cursor rather than one object a field. */
export class MessageReader {
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #reduced = false;

  /** Positions on a message's first byte and returns its tag. */
  open(block: Buffer, start: number, end: number, reduced = false): number {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    this.#reduced = reduced;
    return this.#byte();
  }

  begin(): Begin {
    const commitLsn = this.#uint64();
    const committedAtMicros = BigInt.asIntN(64, this.#uint64());
    return { commitLsn, committedAtMicros, transactionId: this.#uint32() };
  }

  /** Start of the commit record, which must be the Begin's. */
  commit(): Lsn {
    this.#skip(1);
    return this.#uint64();
  }

  relation(): RelationMessage {
    const oid = this.#uint32();
    const schema = this.#text() || "pg_catalog";
    const table = this.#text();
    const replicaIdentity = String.fromCharCode(this.#byte());
    const columns = Array.from({ length: this.#uint16() }, () => {
      const inIdentity = (this.#byte() & 1) === 1;
      const name = this.#text();
      const typeOid = this.#uint32();
      this.#skip(4);
      return { name, typeOid, inIdentity };
    });
    return { oid, schema, table, replicaIdentity, columns };
  }

  type(): TypeMessage {
    const oid = this.#uint32();
    const schema = this.#text() || "pg_catalog";
    return { oid, schema, name: this.#text() };
  }

  /** The relation's OID, in front of the tuples of a row message. */
  relationOid(): number {
    return this.#uint32();
  }

  insert(after: Tuple): void {
    this.#expect(TUPLE.new);
    this.#tuple(after);
  }

  update(before: Tuple, after: Tuple): void {
    let kind = this.#byte();
    before.count = -1;
    if (kind !== TUPLE.new) {
      this.#oldTuple(kind, before);
      kind = this.#byte();
    }
    if (kind !== TUPLE.new) throw this.#unreadable(`tuple kind ${kind}`);
    this.#tuple(after);
  }

  delete(before: Tuple): void {
    this.#oldTuple(this.#byte(), before);
  }

  truncate(): { readonly oids: number[] } {
    const count = this.#uint32();
    this.#skip(1);
    return { oids: Array.from({ length: count }, () => this.#uint32()) };
  }

  message(toUtf8: ToUtf8 = (content) => content): LogicalMessage {
    const transactional = (this.#byte() & 1) === 1;
    this.#skip(8);
    if (this.#reduced && !this.#holdsText()) {
      return { transactional, prefix: "", content: EMPTY, contentBytes: 0 };
    }
    const prefix = this.#text();
    const contentBytes = this.#uint32();
    const held = this.#reduced ? this.#end - this.#at : contentBytes;
    const start = this.#skip(held);
    const content = toUtf8(this.#block.subarray(start, start + held));
    // What was cut off keeps its own length.
    const bytes = held === contentBytes ? content.length : contentBytes;
    return { transactional, prefix, content, contentBytes: bytes };
  }

  #oldTuple(kind: number, tuple: Tuple): void {
    if (kind !== TUPLE.key && kind !== TUPLE.old) {
      throw this.#unreadable(`tuple kind ${kind}`);
    }
    this.#tuple(tuple);
    tuple.keyOnly = kind === TUPLE.key;
  }

  #tuple(tuple: Tuple): void {
    const count = this.#uint16();
    if (count > MAX_COLUMNS) throw this.#unreadable(`${count} columns`);
    tuple.count = count;
    tuple.keyOnly = false;
    for (let column = 0; column < count; column++) {
      const kind = this.#byte();
      if (kind === VALUE.text) {
        const length = this.#uint32();
        tuple.starts[column] = this.#skip(length);
        tuple.lengths[column] = length;
      } else if (kind === VALUE.null) {
        tuple.lengths[column] = NULL;
      } else if (kind === VALUE.unchanged) {
        tuple.lengths[column] = UNCHANGED;
      } else if (kind === HASHED_VALUE && this.#reduced) {
        tuple.starts[column] = this.#skip(HASHED_BYTES);
        tuple.lengths[column] = HASHED;
      } else {
        throw this.#unreadable(`value kind ${kind}`);
      }
    }
  }

  #expect(kind: number): void {
    const got = this.#byte();
    if (got !== kind) throw this.#unreadable(`tuple kind ${got}`);
  }

  #byte(): number {
    return this.#block[this.#skip(1)] as number;
  }

  #uint16(): number {
    return this.#block.readUInt16BE(this.#skip(2));
  }

  #uint32(): number {
    return this.#block.readUInt32BE(this.#skip(4));
  }

  #uint64(): bigint {
    return this.#block.readBigUInt64BE(this.#skip(8));
  }

  /** Whether the end of a text is there. */
  #holdsText(): boolean {
    const end = this.#block.indexOf(0, this.#at);
    return end >= 0 && end < this.#end;
  }

  #text(): string {
    const end = this.#block.indexOf(0, this.#at);
    if (end < 0 || end >= this.#end) throw this.#unreadable("text without end");
    return this.#block.toString("utf8", this.#skip(end - this.#at + 1), end);
  }

  /** Moves past `bytes` and returns where they start. */
  #skip(bytes: number): number {
    const start = this.#at;
    if (start + bytes > this.#end)
      throw this.#unreadable("length past the end");
    this.#at = start + bytes;
    return start;
  }

  #unreadable(what: string): Error {
    // Sizes and kinds only: the bytes are a customer's row.
    return new UnreadableMessageError(
      `unreadable pgoutput message: ${what}, ${this.#end - this.#at} bytes left`,
    );
  }
}

/** The stream holds something that this decoder does not know. */
export class UnreadableMessageError extends Error {
  override readonly name = "UnreadableMessageError";
}
