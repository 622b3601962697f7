/**
 * Frames of the replication stream between the socket and the decoder. Whoever
 * receives hands out views of a buffer that others may move other bytes over
 * later, so frames are copied here at once; the decoder then reads whole
 * blocks in its own time, and may wait in the middle of one.
 */

/**
 * Kinds of frames, as the streaming replication protocol names them, and one of
 * our own: a message that `LargeMessage` has made smaller.
 */
export const FRAME = { data: 0x77, keepalive: 0x6b, reduced: 0x57 } as const;

/** Kind of the message that the stream comes in. */
export const COPY_DATA = 0x64;

/** Kind, start, end and clock in front of a pgoutput message. */
export const XLOG_HEADER_BYTES = 1 + 8 + 8 + 8;

/**
 * A frame is a CopyData message with XLogData as it came: its kind and length,
 * which counts itself, then the header of XLogData and the payload.
 */
export const FRAME_HEADER_BYTES = 1 + 4 + XLOG_HEADER_BYTES;
/** Where in it the length is, FRAME's kind, and the LSN. */
export const FRAME_AT = { length: 1, kind: 5, lsn: 6 } as const;

/** Between two blocks what is being written gets its turn at the socket. */
const BLOCK_BYTES = 64 * 1024;

export interface FrameQueueOptions {
  /** Waiting bytes at which the socket is paused. */
  readonly limitBytes: number;
  readonly pause: () => void;
  readonly resume: () => void;
}

/** Back-pressure is the absence of a `take`: past the limit the socket rests. */
export class FrameQueue {
  readonly #options: FrameQueueOptions;
  readonly #full: Buffer[] = [];
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;
  #waitingBytes = 0;
  #paused = false;
  #wake: (() => void) | undefined;
  #failure: Error | undefined;
  #end: Error | undefined;

  constructor(options: FrameQueueOptions) {
    this.#options = options;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** What ended the stream. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Appends a copy of `bytes[from, to)`: one frame or several, all whole. */
  push(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const size = to - from;
    const source = bytes.subarray(from, to);
    if (size > BLOCK_BYTES / 2) return this.adopt(Buffer.from(source));
    if (this.#used + size > this.#block.length) {
      if (this.#used > 0) this.#full.push(this.#block.subarray(0, this.#used));
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#used = 0;
    }
    this.#block.set(source, this.#used);
    this.#used += size;
    this.#arrived(size);
  }

  /** Appends frames that have a buffer of their own, which is not copied. */
  adopt(frames: Buffer): void {
    if (this.#used > 0) this.#full.push(this.#cutBlock());
    this.#full.push(frames);
    this.#arrived(frames.length);
  }

  #arrived(bytes: number): void {
    this.#waitingBytes += bytes;
    if (!this.#paused && this.#waitingBytes >= this.#options.limitBytes) {
      this.#paused = true;
      this.#options.pause();
    }
    this.#wake?.();
  }

  /** Why nothing will follow what waits. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** What waits is still to be taken and stored. */
  endWith(error: Error): void {
    this.#end ??= error;
    this.#wake?.();
  }

  /** Ends the queue: what waits is of no use without what would follow. */
  fail(error: Error): void {
    // The end of the connection, which follows, is no news.
    if (!this.#end) this.#failure ??= error;
    this.#wake?.();
  }

  /** The next frames, or undefined without any. Throws what `fail` was given. */
  take(): Buffer | undefined {
    if (this.#failure) throw this.#failure;
    let block = this.#full.shift();
    if (!block && this.#used > 0) block = this.#cutBlock();
    if (!block) return undefined;
    this.#waitingBytes -= block.length;
    if (this.#paused && this.#waitingBytes < this.#options.limitBytes / 2) {
      this.#paused = false;
      this.#options.resume();
    }
    return block;
  }

  /**
   * What is written of the block. The rest of it serves the next frames: a quiet
   * stream would otherwise allocate a block for every transaction.
   */
  #cutBlock(): Buffer {
    const block = this.#block.subarray(0, this.#used);
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
    return block;
  }

  /** Resolves when frames wait, after `timeoutMs`, or when woken. */
  arrival(timeoutMs: number): Promise<void> {
    if (this.#waitingBytes > 0 || this.#failure || this.#end) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#wake = done;
    });
  }

  /** Ends an `arrival` that waits, because there is something else to do. */
  wake(): void {
    this.#wake?.();
  }
}
