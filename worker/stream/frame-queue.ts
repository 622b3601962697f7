/**
 * Frames of the replication stream between the socket and the decoder. The
 * driver hands out views of its own receive buffer and moves other bytes over
 * them later (H17), so each frame is copied here at once; the decoder then
 * reads whole blocks in its own time, and may wait in the middle of one.
 */

/**
 * Kinds of frames, as the streaming replication protocol names them, and one of
 * our own: a message that `LargeMessage` has made smaller.
 */
export const FRAME = { data: 0x77, keepalive: 0x6b, reduced: 0x57 } as const;

/** Bytes in front of a frame's payload: length of the payload, kind, LSN. */
export const FRAME_HEADER_BYTES = 4 + 1 + 8;

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

  /** Appends a frame: its kind, then 8 bytes of LSN, then the payload. */
  push(kind: number, lsn: Uint8Array, payload: Uint8Array): void {
    const size = FRAME_HEADER_BYTES + payload.length;
    if (this.#used + size > this.#block.length) {
      if (this.#used > 0) this.#full.push(this.#block.subarray(0, this.#used));
      this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, size));
      this.#used = 0;
    }
    const block = this.#block;
    const at = this.#used;
    block.writeUInt32BE(payload.length, at);
    block[at + 4] = kind;
    block.set(lsn, at + 5);
    block.set(payload, at + FRAME_HEADER_BYTES);
    this.#used += size;
    this.#arrived(size);
  }

  /** Appends a frame that has a buffer of its own, which is not copied. */
  adopt(frame: Buffer): void {
    if (this.#used > 0) this.#full.push(this.#cutBlock());
    this.#full.push(frame);
    this.#arrived(frame.length);
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
