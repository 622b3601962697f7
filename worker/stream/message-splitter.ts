/**
 * Between the replication connection's socket and the driver's parser, which
 * for a message in pieces grows one buffer by doubling and copying: a message
 * of 600 MB took twice that. Everything passes as it came, but for large
 * messages of the stream, which are taken in apart (`large-message.ts`).
 */
import { LargeMessage } from "./large-message";

const COPY_DATA = 0x64;
/** Kind and length in front of every message of the server. */
const HEADER_BYTES = 5;
/** The length counts itself. */
const LENGTH_BYTES = 4;

/** Larger messages of the stream are taken in apart. */
const LARGE_BYTES = 1024 * 1024;

export interface MessageSplitterOptions {
  readonly maxValueBytes: number;
  /** For all other bytes, in order. */
  readonly pass: (bytes: Buffer) => void;
  /** A frame as `FrameQueue` has it, in a buffer of its own. */
  readonly take: (frame: Buffer) => void;
}

export class MessageSplitter {
  readonly #options: MessageSplitterOptions;
  /** A header whose end has not arrived. */
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes until the end of the message that passes. */
  #passing = 0;
  #large: LargeMessage | undefined;

  constructor(options: MessageSplitterOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    let at = 0;
    /** Start of what was not yet passed. */
    let from = 0;
    while (at < chunk.length) {
      if (this.#large) {
        at = this.#large.add(chunk, at);
        from = at;
        this.#endLarge();
      } else if (this.#passing > 0) {
        const bytes = Math.min(this.#passing, chunk.length - at);
        this.#passing -= bytes;
        at += bytes;
      } else if (this.#headerBytes > 0 || chunk.length - at < HEADER_BYTES) {
        this.#pass(chunk, from, at);
        at = this.#addToHeader(chunk, at);
        from = at;
      } else if (this.#begins(chunk, at)) {
        this.#pass(chunk, from, at);
        at += HEADER_BYTES;
        from = at;
      } else {
        at += HEADER_BYTES;
      }
    }
    this.#pass(chunk, from, at);
  }

  #pass(chunk: Buffer, from: number, to: number): void {
    if (from < to) this.#options.pass(chunk.subarray(from, to));
  }

  /** Whether a large message begins; otherwise one that passes does. */
  #begins(bytes: Buffer, at: number): boolean {
    const size = bytes.readUInt32BE(at + 1) - LENGTH_BYTES;
    if (bytes[at] !== COPY_DATA || size <= LARGE_BYTES) {
      this.#passing = size;
      return false;
    }
    this.#large = new LargeMessage(size, this.#options.maxValueBytes);
    return true;
  }

  #addToHeader(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + HEADER_BYTES - this.#headerBytes);
    this.#headerBytes += chunk.copy(this.#header, this.#headerBytes, at, end);
    if (this.#headerBytes === HEADER_BYTES) {
      this.#headerBytes = 0;
      // A copy: the parser may keep it.
      if (!this.#begins(this.#header, 0)) {
        this.#options.pass(Buffer.from(this.#header));
      }
    }
    return end;
  }

  #endLarge(): void {
    const large = this.#large;
    if (!large?.complete) return;
    this.#large = undefined;
    this.#options.take(large.frame());
  }
}
