import pino from "pino";
import { ConfigurationError } from "../../worker/errors";
import type { Catalog } from "../../worker/source/catalog";
import { monitorSlot, walLevel } from "../../worker/source/slot-monitor";
import { type SlotStatus, Status } from "../../worker/status";

const slot: SlotStatus = {
  lagBytes: 0,
  retainedBytes: 0,
  safeBytes: undefined,
  walStatus: "reserved",
  at: new Date(),
};

test.each<[string, Partial<SlotStatus>, string]>([
  ["no limit", { retainedBytes: 1e12 }, "ok"],
  ["under half", { retainedBytes: 49, safeBytes: 51 }, "ok"],
  ["half", { retainedBytes: 50, safeBytes: 50 }, "half"],
  ["under 80 %", { retainedBytes: 79, safeBytes: 21 }, "half"],
  ["80 %", { retainedBytes: 80, safeBytes: 20 }, "critical"],
  ["over the limit", { retainedBytes: 80, safeBytes: -200 }, "critical"],
  ["unreserved", { safeBytes: 1, walStatus: "unreserved" }, "critical"],
  ["lost, whose size is unknown", { walStatus: "lost" }, "critical"],
])("of the log that may be kept is used: %s", (_name, changed, level) => {
  expect(walLevel({ ...slot, ...changed })).toBe(level);
});

/** Monitors under fake time; `answers` are given in turn, the last for ever. */
function monitor(answers: readonly (Error | Record<string, string | null>)[]) {
  const left = [...answers];
  const status = new Status();
  const lines: { level: number; msg: string }[] = [];
  const stop = new AbortController();
  let asked = 0;
  const catalog = {
    async query() {
      asked++;
      const answer = left.length > 1 ? left.shift() : left[0];
      if (answer instanceof Error) throw answer;
      return [answer];
    },
  } as unknown as Catalog;
  const log = pino(
    { level: "trace" },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  monitorSlot({ catalog, slotName: "bemi", status, log }, stop.signal);
  return { status, lines, stop, asked: () => asked };
}

const row = { lag: "1", retained: "50", safe: "50", wal_status: "reserved" };

describe("watching the slot", () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  test("says once that it fills, and once that it is well again", async () => {
    const well = { ...row, safe: "5000" };
    const { lines, status, stop } = monitor([row, row, row, well, well]);
    await jest.advanceTimersByTimeAsync(45_000);
    stop.abort();
    expect(lines.map(({ msg }) => msg)).toEqual([
      expect.stringContaining("half of the log"),
      expect.stringContaining("enough log left again"),
    ]);
    expect(status.slot).toMatchObject({ lagBytes: 1, safeBytes: 5000 });
  });

  test("forgets the figures that it cannot read, and warns once", async () => {
    const { lines, status, stop } = monitor([row, new Error("gone")]);
    const warnings = () => lines.filter(({ level }) => level >= 40);
    await jest.advanceTimersByTimeAsync(0);
    expect(status.slot).toBeDefined();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(status.slot).toBeUndefined();
    expect(warnings()).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(60_000);
    stop.abort();
    expect(status.slot).toBeUndefined();
    expect(warnings().map(({ msg }) => msg)).toEqual([
      expect.stringContaining("half of the log"),
      "slot not read",
    ]);
  });

  test("tries to log in ever more slowly, and as before when it is let in", async () => {
    const refused = new ConfigurationError(["rejects the password"]);
    const { asked, stop } = monitor([row, refused]);
    // After 10, 30, 70, 150, 310 s.
    await jest.advanceTimersByTimeAsync(320_000);
    expect(asked()).toBe(6);
    stop.abort();
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(asked()).toBe(6);
    const back = monitor([refused, refused, row]);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(back.asked()).toBe(3);
    await jest.advanceTimersByTimeAsync(30_000);
    expect(back.asked()).toBe(6);
    back.stop.abort();
  });
});
