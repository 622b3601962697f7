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
