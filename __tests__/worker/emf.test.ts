import { emfLine, emitEmf } from "../../worker/emf";
import { standardOutput } from "../../worker/standard-output";
import { Status } from "../../worker/status";

const nowMs = 1_700_000_000_000;

function streaming(): Status {
  const status = new Status();
  status.beginSession({ ...status.totals, changes: 3 }, () => 0);
  return status;
}

test("a line of embedded metrics declares exactly the figures that it holds", () => {
  const line = emfLine(streaming(), { slotName: "shop" }, nowMs);
  expect(line).not.toContain("\n");
  const { _aws, Slot, ...values } = JSON.parse(line);
  expect(_aws.Timestamp).toBe(nowMs);
  expect(_aws.CloudWatchMetrics).toHaveLength(1);
  const [{ Namespace, Dimensions, Metrics }] = _aws.CloudWatchMetrics;
  expect(Namespace).toBe("Bemi/Worker");
  expect(Dimensions).toEqual([["Slot"]]);
  expect(Slot).toBe("shop");
  const declared = Metrics.map(({ Name }: { Name: string }) => Name);
  expect(Object.keys(values)).toEqual(declared);
  expect(declared.length).toBeLessThanOrEqual(100);
  expect(values.Changes).toBe(3);
  expect(values).not.toHaveProperty("SlotSafe");
  for (const value of Object.values(values))
    expect(value).toEqual(expect.any(Number));
  const units = Metrics.map(({ Unit }: { Unit: string }) => Unit);
  expect(new Set(units)).toEqual(new Set(["None", "Count", "Bytes"]));
});

test("environments of one account have metrics of their own", () => {
  const line = JSON.parse(
    emfLine(streaming(), { slotName: "bemi", environment: "prod" }, nowMs),
  );
  expect(line._aws.CloudWatchMetrics[0].Dimensions).toEqual([
    ["Environment", "Slot"],
  ]);
  expect(line).toMatchObject({ Environment: "prod", Slot: "bemi" });
});

test("a line a minute, until the end", () => {
  jest.useFakeTimers();
  const write = jest.spyOn(standardOutput, "write").mockReturnValue();
  try {
    const stop = new AbortController();
    emitEmf(streaming(), { slotName: "shop" }, stop.signal);
    jest.advanceTimersByTime(180_000);
    expect(write).toHaveBeenCalledTimes(3);
    stop.abort();
    jest.advanceTimersByTime(180_000);
    expect(write).toHaveBeenCalledTimes(3);
  } finally {
    write.mockRestore();
    jest.useRealTimers();
  }
});
