import { setTimeout as sleep } from "node:timers/promises";

/**
 * The worker waits up to 37 s before an attempt (30 s, and a quarter of jitter),
 * and a busy machine takes its time with what follows: 90 s have room for two of
 * those waits. It costs nothing where the probe gives something earlier.
 */
const defaultTimeoutMs = 90_000;
const minPauseMs = 20;
const maxPauseMs = 1_000;
/**
 * Pauses are that many times as long as the probe took: a probe that counts a
 * million rows without a pause has a processor of those that it waits for.
 */
const pausesPerProbe = 4;

/**
 * Waits until the probe gives something. An error of the probe counts as "not
 * yet" (the table it reads may not be there), and is shown when time runs out.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  timeoutMs = defaultTimeoutMs,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    const startedMs = performance.now();
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) {
      const problem = cause ? ` (${cause})` : "";
      throw new Error(`Not within ${timeoutMs} ms: ${what}${problem}`, {
        cause,
      });
    }
    const pauseMs = pausesPerProbe * (performance.now() - startedMs);
    await sleep(Math.min(Math.max(pauseMs, minPauseMs), maxPauseMs));
  }
}
