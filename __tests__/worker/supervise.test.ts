import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError } from "pg";
import pino from "pino";
import { decide } from "../../worker/decide";
import {
  ConfigurationError,
  FencedError,
  LoginError,
  type LoginRetry,
  OperatorError,
  StandbyError,
  UnreachableError,
} from "../../worker/errors";
import { Status } from "../../worker/status";
import { UnreadableMessageError } from "../../worker/stream/pgoutput";
import { supervise } from "../../worker/supervise";

const coded = (code: string) => Object.assign(new Error(code), { code });
const unreadable = Object.create(UnreadableMessageError.prototype) as Error;
const slotBusy = coded("55006");
const unreachable = new UnreachableError("no");
const wrong = new ConfigurationError(["no"]);
const untrusted = new ConfigurationError(["no"], { isTls: true });
const expired = new OperatorError("a", "b", { isTls: true });
const refused = (retry: Partial<LoginRetry>) =>
  new LoginError(
    "no",
    { delayMs: undefined, isFinal: false, until: async () => {}, ...retry },
    {},
  );
const standby = new StandbyError(["in recovery"]);

const streamed = {
  attempts: 0,
  failedLogins: 0,
  hasStreamed: true,
  waitedMs: 0,
};
const fresh = { ...streamed, hasStreamed: false };

test.each<[string, unknown, Parameters<typeof decide>[1], object]>([
  ["an operator must act", new OperatorError("a", "b"), fresh, { exitCode: 3 }],
  [
    "an operator must act, later too",
    new OperatorError("a", "b"),
    streamed,
    { exitCode: 3 },
  ],
  ["another worker took over", new FencedError("f"), streamed, { exitCode: 1 }],
  ["a wrong variable at the start", wrong, fresh, { exitCode: 2 }],
  ["a role that is let in no more", wrong, streamed, { delayMs: 10_000 }],
  [
    "a role that stays out",
    wrong,
    { ...streamed, failedLogins: 2 },
    { delayMs: 40_000 },
  ],
  [
    "a role that stays out for long",
    wrong,
    { ...streamed, failedLogins: 30 },
    { delayMs: 900_000 },
  ],
  [
    "a wrong password at the start",
    refused({ delayMs: 5_000 }),
    fresh,
    { exitCode: 2 },
  ],
  [
    "a password that was right",
    refused({ delayMs: 5_000 }),
    { ...streamed, failedLogins: 30 },
    { delayMs: 5_000 },
  ],
  [
    "a password that only a restart changes, refused for good",
    refused({ isFinal: true }),
    streamed,
    { exitCode: 1 },
  ],
  ["another authority at the start", untrusted, fresh, { exitCode: 2 }],
  ["an expired certificate at the start", expired, fresh, { exitCode: 3 }],
  [
    "another authority under a running worker",
    untrusted,
    { ...streamed, failedLogins: 30 },
    { delayMs: 1_000 },
  ],
  [
    "a certificate that has been expired for long",
    expired,
    { ...streamed, attempts: 30 },
    { delayMs: 10_000 },
  ],
  [
    "a role that is out after an outage",
    wrong,
    { ...streamed, attempts: 20 },
    { delayMs: 10_000 },
  ],
  ["an outage", unreachable, streamed, { delayMs: 250 }],
  [
    "an outage after wrong passwords",
    unreachable,
    { ...streamed, failedLogins: 9 },
    { delayMs: 250 },
  ],
  [
    "an outage that lasts",
    unreachable,
    { ...streamed, attempts: 50 },
    { delayMs: 30_000 },
  ],
  [
    "the fourth failure before a stream",
    unreachable,
    { ...fresh, attempts: 3 },
    { delayMs: 2_000 },
  ],
  [
    "the fifth failure before a stream",
    unreachable,
    { ...fresh, attempts: 4 },
    { exitCode: 1 },
  ],
  ["a busy slot", slotBusy, fresh, { delayMs: 1_000 }],
  [
    "a slot that stays busy",
    slotBusy,
    { ...fresh, attempts: 2_000 },
    { delayMs: 10_000 },
  ],
  [
    "the second unreadable message",
    unreadable,
    { ...streamed, attempts: 1 },
    { delayMs: 500 },
  ],
  [
    "the third unreadable message",
    unreadable,
    { ...streamed, attempts: 2 },
    { exitCode: 1 },
  ],
  ["a standby after a stream", standby, streamed, { delayMs: 2_000 }],
  ["a standby where a trail goes on", standby, fresh, { delayMs: 2_000 }],
  [
    "a standby for nearly ten minutes",
    standby,
    { ...streamed, attempts: 90, waitedMs: 599_000 },
    { delayMs: 10_000 },
  ],
  [
    "a standby for ten minutes",
    standby,
    { ...streamed, waitedMs: 600_000 },
    { exitCode: 2 },
  ],
  ["something that is no error", "thrown", streamed, { delayMs: 250 }],
])("%s", (_name, error, status, expected) => {
  const { exitCode, delayMs } = decide(error, status, 0.5);
  expect(exitCode === undefined ? { delayMs } : { exitCode }).toEqual(expected);
});

test("delays differ by a quarter to each side, so that workers do not march in step", () => {
  expect(decide(unreachable, streamed, 0).delayMs).toBe(188);
  expect(decide(unreachable, streamed, 0.999).delayMs).toBe(312);
});

const silent = pino({ level: "silent" });

test("asked to stop while it waits for the next attempt, it stops at once with 0", async () => {
  const stop = new AbortController();
  const status = new Status();
  status.hasStreamed = true;
  const ended = supervise(
    () => Promise.reject(wrong),
    { status, log: silent },
    stop.signal,
  );
  while (status.state !== "waiting") await sleep(1);
  expect(status.problem).toBe("no");
  stop.abort();
  expect(await ended).toBe(0);
});

test("an error that comes of the stop itself is no failure", async () => {
  const stop = new AbortController();
  const status = new Status();
  const session = async () => {
    stop.abort();
    throw new OperatorError("a", "b");
  };
  expect(await supervise(session, { status, log: silent }, stop.signal)).toBe(
    0,
  );
});

test("a password that is refused for good is waited for by its file, and said loudly", async () => {
  const status = new Status();
  status.hasStreamed = true;
  const lines: Record<string, unknown>[] = [];
  const log = pino(
    { base: null, formatters: { level: (level) => ({ level }) } },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  const stop = new AbortController();
  let waited = 0;
  const until = async () => {
    waited++;
    stop.abort();
  };
  await supervise(
    () => Promise.reject(refused({ until })),
    { status, log, pause: () => Promise.reject(new Error("not by time")) },
    stop.signal,
  );
  expect(waited).toBe(1);
  expect(lines).toEqual([expect.objectContaining({ level: "error" })]);
  expect(lines[0]).not.toHaveProperty("retryInMs");
});

test("failed log-ins and other failures are counted apart", async () => {
  const stop = new AbortController();
  const status = new Status();
  status.hasStreamed = true;
  const counts: string[] = [];
  const failures = [unreachable, unreachable];
  await supervise(
    async () => {
      counts.push(`${status.attempts} ${status.failedLogins}`);
      const failure = failures.shift();
      if (failure) throw failure;
      stop.abort();
    },
    { status, log: silent },
    stop.signal,
  );
  expect(counts).toEqual(["0 0", "1 0", "2 0"]);
});

/** A source that ends each stream so, at the position that it gives. */
function failing(code: string, position: (turn: number) => string) {
  const status = new Status();
  status.hasStreamed = true;
  let turns = 0;
  const stop = new AbortController();
  const ended = supervise(
    async () => {
      if (++turns > 40) stop.abort();
      const error = new DatabaseError("could not read file", 1, "error");
      error.code = code;
      status.confirmedLsn = position(turns);
      status.streamFailure = error;
      throw error;
    },
    { status, log: silent, pause: async () => undefined },
    stop.signal,
  );
  return { ended, status, turns: () => turns };
}

test("the same error of the stream at the same position is tried ten times again, then ends with 1", async () => {
  const { ended, status, turns } = failing("XX000", () => "0/100");
  expect(await ended).toBe(1);
  expect(turns()).toBe(11);
  expect(status.problem).toContain("11 times in the same way");
});

test.each<[string, string, (turn: number) => string]>([
  ["errors at other positions", "XX000", (turn) => `0/${turn}`],
  ["a server that is shut down", "57P01", () => "0/100"],
  ["a slot that is in use", "55006", () => "0/100"],
])("%s are waited out for ever", async (_name, code, position) => {
  const { ended, turns } = failing(code, position);
  expect(await ended).toBe(0);
  expect(turns()).toBe(41);
});

test("a busy slot is no warning for as long as the server may take to notice a dead worker", async () => {
  const status = new Status();
  const levels: string[] = [];
  const log = pino(
    { base: null, formatters: { level: (level) => ({ level }) } },
    { write: (line) => levels.push(JSON.parse(line).level) },
  );
  const stop = new AbortController();
  await supervise(
    () => Promise.reject(slotBusy),
    {
      status,
      log,
      pause: async () => {
        if (levels.length === 4) stop.abort();
        if (levels.length !== 2 || !status.waiting) return;
        const { what, sinceMs } = status.waiting;
        status.waiting = { what, sinceMs: sinceMs - 90_000 };
      },
    },
    stop.signal,
  );
  expect(levels).toEqual(["info", "info", "warn", "warn"]);
});
