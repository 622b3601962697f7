/**
 * How fast the log that the source keeps for the slot grows. A slot that is
 * followed well rises and falls all the time, since the source lets go of log in
 * steps; so the lowest points of two halves of a while are compared.
 */

const WINDOW_MS = 5 * 60_000;
/** Before, a single burst would be taken for a trend. */
const MIN_SPAN_MS = 30_000;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

export class SlotTrend {
  #samples: Sample[] = [];

  /** Takes a sample; bytes per second over the last minutes, 0 for none. */
  add(atMs: number, bytes: number): number | undefined {
    const from = atMs - WINDOW_MS;
    this.#samples = this.#samples.filter((sample) => sample.atMs >= from);
    this.#samples.push({ atMs, bytes });
    const startMs = this.#samples[0]?.atMs ?? atMs;
    if (atMs - startMs < MIN_SPAN_MS) return undefined;
    const middleMs = (startMs + atMs) / 2;
    const first = lowest(this.#samples.filter((s) => s.atMs < middleMs));
    const second = lowest(this.#samples.filter((s) => s.atMs >= middleMs));
    if (!first || !second) return undefined;
    const perMs = (second.bytes - first.bytes) / (second.atMs - first.atMs);
    return Math.max(0, Math.round(perMs * 1000));
  }
}

function lowest(samples: readonly Sample[]): Sample | undefined {
  return samples.reduce<Sample | undefined>(
    (low, sample) => (low && low.bytes <= sample.bytes ? low : sample),
    undefined,
  );
}
