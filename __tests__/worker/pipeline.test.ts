/** The order of the stages, with stages that are only there to watch it. */
import { runPipeline } from "../../worker/pipeline";
import type { Batch } from "../../worker/stream/batch";
import { FRAME, FrameQueue } from "../../worker/stream/frame-queue";
import type { Stitcher } from "../../worker/stream/stitch";
import * as wire from "../support/pgoutput-bytes";

const NEVER = new AbortController().signal;

/** Every frame is a finished transaction, every batch one of them. */
class OneByOne {
  #waiting = 0n;
  #taken = 0n;
  readonly position = 0n;

  get waitingBytes(): number {
    return Number(this.#waiting);
  }

  get hasFinished(): boolean {
    return this.#waiting > 0n;
  }

  async read(): Promise<void> {
    this.#waiting++;
  }

  take(): Batch | undefined {
    if (!this.hasFinished) return undefined;
    this.#waiting--;
    const position = ++this.#taken;
    return {
      rows: Buffer.alloc(0),
      rowCount: 0,
      months: new Set(),
      end: { commitLsn: position, position },
    };
  }
}

test("after a write that failed no other is begun, and nothing behind it confirmed", async () => {
  const frames = new FrameQueue({
    limitBytes: 1_000,
    pause: () => {},
    resume: () => {},
  });
  const push = () => frames.push(wire.frame(FRAME.data, Buffer.alloc(0), 0n));
  const written: bigint[] = [];
  const confirmed: bigint[] = [];
  push();
  const running = runPipeline(
    {
      frames,
      // What the pipeline calls of it.
      stitcher: new OneByOne() as Partial<Stitcher> as Stitcher,
      destination: {
        async write({ end }) {
          const position = end?.position ?? 0n;
          written.push(position);
          if (position === 3n) await new Promise(setImmediate);
          if (position !== 2n) return;
          // The third is written beside it, and would be done before it; the
          // fourth arrives while both are under way.
          push();
          push();
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new Error("refused");
        },
        recordPosition: async () => {},
      },
      position: 0n,
      confirm: (position) => {
        confirmed.push(position);
        if (position === 1n) push();
      },
      // Whatever waits is a whole batch.
      batchMaxBytes: 1,
      batchMaxDelayMs: 0,
    },
    NEVER,
  );
  await expect(running).rejects.toThrow("refused");
  expect(written).toEqual([1n, 2n, 3n]);
  expect(confirmed).toEqual([1n]);
});

/** Every frame is a finished transaction of one byte, and a batch is all of them. */
class AllAtOnce {
  waitingBytes = 0;
  readonly position = 0n;

  get hasFinished(): boolean {
    return this.waitingBytes > 0;
  }

  async read(): Promise<void> {
    this.waitingBytes++;
  }

  take(): Batch | undefined {
    const rowCount = this.waitingBytes;
    if (rowCount === 0) return undefined;
    this.waitingBytes = 0;
    const end = { commitLsn: 1n, position: 1n };
    return { rows: Buffer.alloc(0), rowCount, months: new Set(), end };
  }
}

/** Runs until the test has ended; the first write lasts until then. */
function running(batchMaxBytes: number) {
  const frames = new FrameQueue({
    limitBytes: 1_000_000,
    pause: () => {},
    resume: () => {},
  });
  const stop = new AbortController();
  const written: number[] = [];
  const held = new Promise<void>((resolve) => {
    stop.signal.addEventListener("abort", () => resolve());
  });
  const ended = runPipeline(
    {
      frames,
      stitcher: new AllAtOnce() as Partial<Stitcher> as Stitcher,
      destination: {
        async write({ rowCount }) {
          written.push(rowCount);
          if (written.length === 1) await held;
        },
        recordPosition: async () => {},
      },
      position: 0n,
      confirm: () => {},
      batchMaxBytes,
      batchMaxDelayMs: 0,
    },
    stop.signal,
  );
  return {
    written,
    push(count: number): void {
      for (let i = 0; i < count; i++) {
        frames.adopt(wire.frame(FRAME.data, Buffer.alloc(0), 0n));
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await ended;
    },
  };
}

/** Long enough for a write that is to begin, and for one that is not. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 100));

test("while more waits to be read, rows wait to be written together", async () => {
  await using pipeline = running(1_000);
  pipeline.push(40);
  await settled();
  expect(pipeline.written).toEqual([40]);
});

test("beside a write under way another begins when enough waits and nothing more comes, and not for a few rows", async () => {
  await using pipeline = running(80);
  pipeline.push(1);
  await settled();
  pipeline.push(9);
  await settled();
  expect(pipeline.written).toEqual([1]);
  pipeline.push(1);
  await settled();
  expect(pipeline.written).toEqual([1, 10]);
});
