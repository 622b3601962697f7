/**
 * Between the replication connection's socket and the driver. The stream's
 * changes go to the queue from here, many at a time: through the driver's parser
 * and the library each of them cost a dozen objects, a third of the worker's time.
 * Everything else, also the stream's keepalives, passes as it came.
 */
import { COPY_DATA, FRAME, FRAME_AT, FRAME_HEADER_BYTES } from "./frame-queue";
import { LargeMessage } from "./large-message";
import { TAG, UnreadableMessageError } from "./pgoutput";

/** Kind and length in front of every message of the server. */
const HEADER_BYTES = 5;

/** Larger messages of the stream are taken in apart (`large-message.ts`). */
const LARGE_BYTES = HEADER_BYTES + 1024 * 1024;

export interface MessageSplitterOptions {
  readonly maxValueBytes: number;
  /** For all other bytes, in order. */
  readonly pass: (bytes: Buffer) => void;
  /** Whole frames, as `FrameQueue` has them; valid until it returns. */
  readonly push: (bytes: Buffer, from: number, to: number) => void;
  /** A large message as a frame, in a buffer of its own. */
  readonly adopt: (frame: Buffer) => void;
}

export class MessageSplitter {
  readonly #options: MessageSplitterOptions;
  /** The beginning of a message, too little to say where it goes. */
  #undecided: Buffer | undefined;
  /** Bytes until the end of the message that passes. */
  #passing = 0;
  /** A frame whose end has not arrived, in a buffer for all of it. */
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #large: LargeMessage | undefined;
  #openCommitLsn: bigint | undefined;

  constructor(options: MessageSplitterOptions) {
    this.#options = options;
  }

  /** Of the transaction that is being received. */
  get openCommitLsn(): bigint | undefined {
    return this.#openCommitLsn;
  }

  push(chunk: Buffer): void {
    const undecided = this.#undecided;
    const bytes = undecided ? Buffer.concat([undecided, chunk]) : chunk;
    this.#undecided = undefined;
    let at = 0;
    while (at < bytes.length) {
      if (this.#large) at = this.#addToLarge(this.#large, bytes, at);
      else if (this.#frame) at = this.#addToFrame(this.#frame, bytes, at);
      else if (this.#passing > 0) at = this.#pass(bytes, at);
      else {
        at = this.#pushWhole(bytes, at);
        if (bytes.length - at < headerBytes(bytes, at)) {
          // A copy: the chunk is the socket's.
          if (at < bytes.length)
            this.#undecided = Buffer.from(bytes.subarray(at));
          return;
        }
        at = this.#begin(bytes, at);
      }
    }
  }

  /** Hands on the frames that are there whole, and returns where they end. */
  #pushWhole(bytes: Buffer, from: number): number {
    let at = from;
    while (at + HEADER_BYTES < bytes.length && isFrame(bytes, at)) {
      const end = at + sizeOf(bytes, at);
      if (end > bytes.length || end - at > LARGE_BYTES) break;
      this.#follow(bytes, at);
      at = end;
    }
    if (from < at) this.#options.push(bytes, from, at);
    return at;
  }

  /** Decides where the message at `at` goes; returns how far it has gone. */
  #begin(bytes: Buffer, at: number): number {
    const size = sizeOf(bytes, at);
    if (bytes[at] === COPY_DATA && size > LARGE_BYTES) {
      const content = size - HEADER_BYTES;
      this.#large = new LargeMessage(content, this.#options.maxValueBytes);
      return at + HEADER_BYTES;
    }
    if (isFrame(bytes, at)) {
      this.#frame = Buffer.allocUnsafeSlow(size);
      this.#frameBytes = 0;
    } else this.#passing = size;
    return at;
  }

  #pass(bytes: Buffer, from: number): number {
    const to = Math.min(bytes.length, from + this.#passing);
    this.#passing -= to - from;
    this.#options.pass(bytes.subarray(from, to));
    return to;
  }

  #addToFrame(frame: Buffer, bytes: Buffer, from: number): number {
    const copied = bytes.copy(frame, this.#frameBytes, from);
    this.#frameBytes += copied;
    if (this.#frameBytes === frame.length) {
      this.#frame = undefined;
      this.#follow(frame, 0);
      this.#options.push(frame, 0, frame.length);
    }
    return from + copied;
  }

  #addToLarge(large: LargeMessage, bytes: Buffer, from: number): number {
    const to = large.add(bytes, from);
    if (large.complete) {
      this.#large = undefined;
      this.#options.adopt(large.frame());
    }
    return to;
  }

  #follow(bytes: Buffer, at: number): void {
    const payload = at + FRAME_HEADER_BYTES;
    const tag = bytes[payload];
    if (tag === TAG.begin) {
      this.#openCommitLsn = bytes.readBigUInt64BE(payload + 1);
    } else if (tag === TAG.commit) this.#openCommitLsn = undefined;
  }
}

/** How much of a message says where it goes. */
function headerBytes(bytes: Buffer, at: number): number {
  return bytes[at] === COPY_DATA ? HEADER_BYTES + 1 : HEADER_BYTES;
}

function isFrame(bytes: Buffer, at: number): boolean {
  return bytes[at] === COPY_DATA && bytes[at + FRAME_AT.kind] === FRAME.data;
}

/** Of the whole message; its length counts itself, but not the kind. */
function sizeOf(bytes: Buffer, at: number): number {
  const size = 1 + bytes.readUInt32BE(at + FRAME_AT.length);
  const least = isFrame(bytes, at) ? FRAME_HEADER_BYTES : HEADER_BYTES;
  if (size >= least) return size;
  throw new UnreadableMessageError(`a message of ${size} bytes`);
}
