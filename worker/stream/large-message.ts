/**
 * One large XLogData message, taken in as it arrives: a value over
 * MAX_VALUE_BYTES is hashed piece by piece and never held. A row of two
 * such values of 300 MB takes no more memory than one of two short ones, and no
 * step takes longer than a piece of what the socket gave.
 */
import { createHash, type Hash } from "node:crypto";
import { MAX_CONTEXT_BYTES } from "./context";
import { COPY_DATA, FRAME, FRAME_AT, XLOG_HEADER_BYTES } from "./frame-queue";
import {
  HASHED_VALUE,
  TAG,
  TUPLE,
  UnreadableMessageError,
  VALUE,
} from "./pgoutput";

/** What comes next in the message, and so has to be read when it is there. */
type Field =
  | "header"
  | "tag"
  | "relation"
  | "tuple"
  | "count"
  | "kind"
  | "length"
  | "value"
  | "context"
  | "rest"
  | "nothing";

/** A context that is larger is not stored, whatever it says. */
const KEPT_OF_CONTEXT_BYTES = 2 * MAX_CONTEXT_BYTES;

export class LargeMessage {
  /**
   * The whole message would fit. Memory counts only where something was
   * written, so what is hashed costs none.
   */
  readonly #buffer: Buffer;
  readonly #maxValueBytes: number;
  /** Bytes of the message that have not arrived. */
  #missing: number;
  /** The frame's own kind and length come last. */
  #used = FRAME_AT.kind;
  #field: Field = "header";
  /** Bytes that the field still lacks, kept or not. */
  #lacking = XLOG_HEADER_BYTES;
  #hash: Hash | undefined;
  #tag = 0;
  #tuple = 0;
  #columns = 0;
  #reduced = false;

  /** `bytes` with the header of XLogData. */
  constructor(bytes: number, maxValueBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(FRAME_AT.kind + bytes);
    this.#missing = bytes;
    this.#maxValueBytes = maxValueBytes;
  }

  /** Takes what it needs of `chunk[from, …)` and returns where that ends. */
  add(chunk: Buffer, from: number): number {
    const end = Math.min(chunk.length, from + this.#missing);
    let at = from;
    while (at < end) {
      const until = Math.min(end, at + this.#lacking);
      if (this.#hash) this.#hash.update(chunk.subarray(at, until));
      else if (this.#field !== "nothing")
        this.#used += chunk.copy(this.#buffer, this.#used, at, until);
      this.#lacking -= until - at;
      at = until;
      if (this.#lacking === 0) this.#next();
    }
    this.#missing -= end - from;
    return end;
  }

  get complete(): boolean {
    return this.#missing === 0;
  }

  /** What there is of the message, as a frame. */
  frame(): Buffer {
    const frame = this.#buffer.subarray(0, this.#used);
    frame[0] = COPY_DATA;
    frame.writeUInt32BE(this.#used - FRAME_AT.length, FRAME_AT.length);
    if (this.#reduced) frame[FRAME_AT.kind] = FRAME.reduced;
    return frame;
  }

  /** A field is there: what does it say comes next? */
  #next(): void {
    const buffer = this.#buffer;
    switch (this.#field) {
      case "header":
        if (buffer[FRAME_AT.kind] === FRAME.data) return this.#expect("tag", 1);
        throw new UnreadableMessageError("not an XLogData message");
      case "tag":
        return this.#readTag();
      case "relation":
        return this.#expect("tuple", 1);
      case "tuple":
        this.#tuple = buffer[this.#used - 1] as number;
        return this.#expect("count", 2);
      case "count":
        this.#columns = buffer.readUInt16BE(this.#used - 2);
        return this.#nextColumn();
      case "kind":
        return this.#readKind();
      case "length":
        return this.#readLength();
      case "value":
        this.#endHash();
        return this.#nextColumn();
      case "context":
        this.#reduced = true;
        return this.#expect("nothing");
      default:
        return;
    }
  }

  #readTag(): void {
    this.#tag = this.#buffer[this.#used - 1] as number;
    if (isRow(this.#tag)) this.#expect("relation", 4);
    else if (this.#tag === TAG.message) {
      this.#expect("context", KEPT_OF_CONTEXT_BYTES);
    } else this.#expect("rest");
  }

  /** Without a number: until the message's end. */
  #expect(field: Field, bytes = Number.POSITIVE_INFINITY): void {
    this.#field = field;
    this.#lacking = bytes;
  }

  #nextColumn(): void {
    if (this.#columns > 0) {
      this.#columns--;
      return this.#expect("kind", 1);
    }
    const isOld = this.#tuple !== TUPLE.new;
    // Of an UPDATE the new row follows; of all others nothing should.
    if (this.#tag === TAG.update && isOld) return this.#expect("tuple", 1);
    this.#expect("rest");
  }

  #readKind(): void {
    const kind = this.#buffer[this.#used - 1];
    if (kind === VALUE.text) return this.#expect("length", 4);
    if (kind === VALUE.null || kind === VALUE.unchanged) {
      return this.#nextColumn();
    }
    // Whoever reads it shall see that it cannot be read, also if the kind is
    // the one that stands for a hash here.
    if (kind === HASHED_VALUE) this.#buffer[this.#used - 1] = 0;
    this.#expect("rest");
  }

  #readLength(): void {
    const bytes = this.#buffer.readUInt32BE(this.#used - 4);
    if (bytes > this.#maxValueBytes) {
      this.#buffer[this.#used - 5] = HASHED_VALUE;
      this.#hash = createHash("sha256");
      this.#reduced = true;
    }
    this.#expect("value", bytes);
    if (bytes === 0) this.#nextColumn();
  }

  #endHash(): void {
    if (!this.#hash) return;
    this.#used += this.#hash.digest().copy(this.#buffer, this.#used);
    this.#hash = undefined;
  }
}

function isRow(tag: number): boolean {
  return tag === TAG.insert || tag === TAG.update || tag === TAG.delete;
}
