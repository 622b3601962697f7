/**
 * The one place that knows the order of the stages: frames are read and
 * stitched into rows, rows and watermark are written in one transaction, and
 * only then is the source told. While a batch is being written the next one is
 * read, up to a limit; beyond it the socket rests.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Lsn } from "./lsn";
import type { Batch } from "./stream/batch";
import type { FrameQueue } from "./stream/frame-queue";
import type { Stitcher } from "./stream/stitch";

/** One is copied while the one before it is made durable. */
const WRITES_AT_ONCE = 2;
/**
 * While frames wait to be read, rows wait for others to go with, this long or
 * until they are a part of a batch: a write has its price, and many small ones
 * would keep the destination waiting just when there is most to do.
 */
const BACKLOG_DELAY_MS = 250;
const BACKLOG_BATCH_SHARE = 1 / 8;
/** What is read before whatever is being written gets a turn at its socket. */
const READING_TURN_BYTES = 64 * 1024;
/** How often an idle pipeline looks whether there is something to note. */
const IDLE_TICK_MS = 1_000;
/** A position without rows is noted after this much log … */
const IDLE_ADVANCE_BYTES = 1024n * 1024n;
/** … or this long, so that an idle system stays idle and its slot moves on. */
const IDLE_ADVANCE_MS = 30_000;

/** What the pipeline does now, and counts that move with what it does. */
export interface Activity {
  isReading: boolean;
  reads: number;
  isWriting: boolean;
  writes: number;
}

export const idleActivity = (): Activity => ({
  isReading: false,
  reads: 0,
  isWriting: false,
  writes: 0,
});

export interface PipelineParts {
  readonly frames: FrameQueue;
  readonly stitcher: Stitcher;
  readonly destination: {
    write(batch: Batch): Promise<void>;
    recordPosition(position: Lsn): Promise<void>;
  };
  /** The furthest that the source may have been told. */
  readonly position: Lsn;
  /** Tells the source; called only for what is durable at the destination. */
  readonly confirm: (position: Lsn) => void;
  /**
   * Everything before `position` is stored, or was nothing to store; the source
   * may not have been told yet.
   */
  readonly reached?: (position: Lsn) => void;
  /** Kept up to date, for whoever watches. */
  readonly activity?: Activity;
  readonly batchMaxBytes: number;
  readonly batchMaxDelayMs: number;
}

/** Runs until `signal`, then finishes what can be finished; throws on failure. */
export async function runPipeline(
  parts: PipelineParts,
  signal: AbortSignal,
): Promise<void> {
  const { frames, stitcher, batchMaxBytes } = parts;
  const activity = parts.activity ?? idleActivity();
  const writer = new Writer(parts, activity);
  const wake = (): void => frames.wake();
  signal.addEventListener("abort", wake);
  let finishedSinceMs: number | undefined;
  let turnBytes = 0;
  try {
    while (!signal.aborted) {
      const block = frames.take();
      if (!block && frames.end) break;
      if (block) {
        activity.isReading = true;
        activity.reads++;
        await stitcher.read(block);
        activity.isReading = false;
        activity.reads++;
        turnBytes += block.length;
      }
      if (stitcher.hasFinished) finishedSinceMs ??= performance.now();
      if (stitcher.waitingBytes >= batchMaxBytes) await writer.free();
      else if (turnBytes >= READING_TURN_BYTES && !writer.idle) {
        turnBytes = 0;
        await nextTurn();
      }
      // Before the next write: it would step over what this one has not stored.
      writer.throwFailure();
      const delayMs = remainingDelayMs(parts, finishedSinceMs);
      if (delayMs <= 0 && (writer.idle || (!writer.busy && isLarge(parts)))) {
        const batch = stitcher.take(batchMaxBytes);
        if (batch) writer.start(batch);
        else writer.advance(stitcher.position);
        finishedSinceMs = undefined;
      }
      if (!block) {
        await frames.arrival(writer.busy ? IDLE_TICK_MS : waitMs(delayMs));
      }
    }
    await writer.finish();
    // What is complete is worth a last transaction; an unfinished one of the
    // source is not waited for.
    const last = stitcher.hasFinished
      ? stitcher.take(batchMaxBytes)
      : undefined;
    if (last) writer.start(last);
    await writer.finish();
    if (frames.end && !signal.aborted) throw frames.end;
  } finally {
    signal.removeEventListener("abort", wake);
  }
}

/**
 * Whether what waits is worth a write beside another. A small one would take the
 * turn of rows that gather meanwhile; at the end of a backlog there are none.
 */
function isLarge({ frames, stitcher, batchMaxBytes }: PipelineParts): boolean {
  const share = frames.waitingBytes > 0 ? 1 : BACKLOG_BATCH_SHARE;
  return stitcher.waitingBytes >= batchMaxBytes * share;
}

/** Time until the waiting rows are due; 0 and less: now. */
function remainingDelayMs(
  { frames, stitcher, batchMaxBytes, batchMaxDelayMs }: PipelineParts,
  finishedSinceMs: number | undefined,
): number {
  const { waitingBytes } = stitcher;
  if (waitingBytes >= batchMaxBytes) return 0;
  if (finishedSinceMs === undefined) return 0;
  const delayMs =
    frames.waitingBytes > 0 &&
    waitingBytes < batchMaxBytes * BACKLOG_BATCH_SHARE
      ? Math.max(batchMaxDelayMs, BACKLOG_DELAY_MS)
      : batchMaxDelayMs;
  return finishedSinceMs + delayMs - performance.now();
}

function waitMs(delayMs: number): number {
  return delayMs > 0 ? Math.ceil(delayMs) : IDLE_TICK_MS;
}

/**
 * Writes beside the reading: while one is being made durable the next is under
 * way. They end in the order in which they were started.
 */
class Writer {
  readonly #parts: PipelineParts;
  readonly #activity: Activity;
  #running = 0;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown;
  /** The last batch had no end: the destination's transaction is open. */
  #unfinished = false;
  #position: Lsn;
  #advancedMs = performance.now();
  #wake: (() => void) | undefined;

  constructor(parts: PipelineParts, activity: Activity) {
    this.#parts = parts;
    this.#activity = activity;
    this.#position = parts.position;
  }

  get busy(): boolean {
    return this.#running >= WRITES_AT_ONCE;
  }

  get idle(): boolean {
    return this.#running === 0;
  }

  start(batch: Batch): void {
    this.#unfinished = batch.end === undefined;
    const position = batch.end?.position;
    this.#run(this.#parts.destination.write(batch), position);
  }

  /** Notes a position that was reached without rows, if it is worth it. */
  advance(position: Lsn): void {
    const { stitcher, destination } = this.#parts;
    if (!this.idle || this.#unfinished || stitcher.waitingBytes > 0) return;
    this.#parts.reached?.(position);
    const bytes = position - this.#position;
    const elapsedMs = performance.now() - this.#advancedMs;
    const due =
      bytes > 0n &&
      (elapsedMs >= IDLE_ADVANCE_MS ||
        (bytes >= IDLE_ADVANCE_BYTES && elapsedMs >= IDLE_TICK_MS));
    if (due) this.#run(destination.recordPosition(position), position);
  }

  /** Waits until another write may begin; throws what one failed with. */
  async free(): Promise<void> {
    while (this.busy) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.throwFailure();
  }

  /** Waits for the writes under way; throws what one failed with. */
  async finish(): Promise<void> {
    await this.#last;
    this.throwFailure();
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #run(write: Promise<void>, position: Lsn | undefined): void {
    this.#running++;
    this.#activity.isWriting = true;
    this.#activity.writes++;
    this.#last = Promise.all([write, this.#last])
      .then(() => {
        // Of one before it: what follows must not be confirmed over it.
        if (this.#failure !== undefined || position === undefined) return;
        this.#position = position;
        this.#advancedMs = performance.now();
        // Durable at the destination: only now may the source forget it.
        this.#parts.confirm(position);
        this.#parts.reached?.(position);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#running--;
        this.#activity.isWriting = !this.idle;
        this.#activity.writes++;
        this.#wake?.();
        this.#parts.frames.wake();
      });
  }
}
