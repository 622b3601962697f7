import { type Facts, isHealthy, judge, STALL_MS } from "../../worker/condition";

const now = 1_000_000;
const ago = (ms: number): number => now - ms;

/** A session in which everything moved just now. */
const moving: Facts = {
  nowMs: now,
  isWriting: false,
  writeMs: now,
  isReading: false,
  readMs: now,
  hasWaiting: false,
  rests: false,
  receivedMs: now,
  sentMs: now,
  heartbeatSinceMs: undefined,
  hasHeartbeats: true,
  lagBytes: 0,
};

test.each<[string, Partial<Facts>, string]>([
  ["everything moves", {}, "streaming"],
  ["a heartbeat is under way", { heartbeatSinceMs: ago(9_999) }, "streaming"],
  ["one is overdue", { heartbeatSinceMs: ago(10_000) }, "catching-up"],
  [
    "no heartbeat may be written, and much log is not confirmed",
    { hasHeartbeats: false, lagBytes: 2 ** 26 },
    "catching-up",
  ],
  [
    "no heartbeat may be written, and the slot cannot be read",
    { hasHeartbeats: false, lagBytes: undefined },
    "streaming",
  ],
  [
    "one write after the other, for long, with a backlog",
    { isWriting: true, heartbeatSinceMs: ago(3_600_000), rests: true },
    "catching-up",
  ],
  [
    "a write does not end",
    { isWriting: true, writeMs: ago(STALL_MS), rests: true },
    "blocked-by-destination",
  ],
  [
    "a write does not end, and the source is silent too",
    { isWriting: true, writeMs: ago(STALL_MS), receivedMs: ago(STALL_MS) },
    "blocked-by-destination",
  ],
  [
    "nothing comes and the server stands still",
    { receivedMs: ago(STALL_MS), sentMs: ago(STALL_MS) },
    "blocked-by-source",
  ],
  [
    "nothing comes, and the server reads on through other tables' log",
    { receivedMs: ago(STALL_MS), sentMs: ago(STALL_MS - 1) },
    "catching-up",
  ],
  [
    "nothing comes because the socket rests",
    { receivedMs: ago(STALL_MS), sentMs: ago(STALL_MS), rests: true },
    "streaming",
  ],
  [
    "a look-up in the catalogue does not end",
    { isReading: true, readMs: ago(STALL_MS), hasWaiting: true },
    "blocked-by-source",
  ],
  [
    "frames wait for nobody",
    { readMs: ago(STALL_MS), hasWaiting: true },
    "dead",
  ],
  ["nothing has waited for long", { readMs: ago(3_600_000) }, "streaming"],
])("%s: %s", (_name, facts, condition) => {
  expect(judge({ ...moving, ...facts }).condition).toBe(condition);
});

test("a block begins with the last movement, and the rest when it was first seen", () => {
  const facts = { ...moving, isWriting: true, writeMs: ago(STALL_MS + 5) };
  const before = { condition: "streaming", sinceMs: 3 } as const;
  expect(judge(facts, before).sinceMs).toBe(ago(STALL_MS + 5));
  expect(judge(moving, before)).toEqual(before);
  expect(judge({ ...moving, heartbeatSinceMs: 0 }, before).sinceMs).toBe(now);
});

test("only what a restart can help, or somebody should look at, is unhealthy", () => {
  const hour = 3_600_000;
  const healthy = (condition: ReturnType<typeof judge>["condition"]) => [
    isHealthy({ condition, sinceMs: 0 }, hour - 1),
    isHealthy({ condition, sinceMs: 0 }, hour),
  ];
  expect(healthy("streaming")).toEqual([true, true]);
  expect(healthy("catching-up")).toEqual([true, true]);
  expect(healthy("blocked-by-source")).toEqual([true, true]);
  expect(healthy("blocked-by-destination")).toEqual([true, false]);
  expect(healthy("dead")).toEqual([false, false]);
});
