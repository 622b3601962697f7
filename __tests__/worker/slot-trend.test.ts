import { exhaustion } from "../../worker/source/slot-monitor";
import { SlotTrend } from "../../worker/source/slot-trend";

/** The growth after each of `bytes`, ten seconds apart. */
function growth(bytes: readonly number[]): readonly (number | undefined)[] {
  const trend = new SlotTrend();
  return bytes.map((each, n) => trend.add(n * 10_000, each));
}

test("nothing is said in the first half minute", () => {
  expect(growth([0, 1e6, 2e6, 3e6])).toEqual([
    undefined,
    undefined,
    undefined,
    100_000,
  ]);
});

test("a slot that is followed rises and falls, and does not grow", () => {
  const teeth = Array.from({ length: 60 }, (_, n) => (n % 3) * 1e8);
  expect(growth(teeth).slice(6)).toEqual(teeth.slice(6).map(() => 0));
});

test("one that grows under its teeth does", () => {
  const last = growth(
    Array.from({ length: 60 }, (_, n) => (n % 3) * 1e8 + n * 1e6),
  ).at(-1);
  expect(last).toBeGreaterThan(90_000);
  expect(last).toBeLessThan(110_000);
});

test("what is over five minutes ago does not count", () => {
  const bytes = Array.from({ length: 100 }, (_, n) => Math.min(n, 40) * 1e6);
  expect(growth(bytes).at(-1)).toBe(0);
});

test("what is left is what the limit leaves at that growth", () => {
  expect(exhaustion({ safeBytes: 1_000 }, 10)).toEqual({
    growthBytesPerSecond: 10,
    secondsLeft: 100,
  });
  expect(exhaustion({ safeBytes: -5 }, 10).secondsLeft).toBe(0);
  expect(exhaustion({ safeBytes: 1_000 }, 0).secondsLeft).toBeUndefined();
  expect(exhaustion({ safeBytes: undefined }, 10)).toEqual({
    growthBytesPerSecond: 10,
  });
  expect(exhaustion({ safeBytes: 1_000 }, undefined)).toEqual({});
});
