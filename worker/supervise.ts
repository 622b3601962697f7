/**
 * Keeps the trail going: runs one session after the other, tells what failed, and
 * waits or ends as decided (decide.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError } from "pg";
import { type Counts, decide, isSlotBusy, RepeatedError } from "./decide";
import {
  ConfigurationError,
  EXIT_CODE,
  LoginError,
  OperatorError,
  StandbyError,
} from "./errors";
import { describeError, type Log } from "./log";
import type { Status } from "./status";
import { decodingContext } from "./stream/decoding-context";

/** Time to end in order; `docker stop` kills after 10 s, Fargate after 30. */
const STOP_GRACE_MS = 8_000;
/**
 * The server notices a dead predecessor after wal_sender_timeout, which is at
 * most 60 s in the worker's sessions; half a minute more is no alarm.
 */
const BUSY_PATIENCE_MS = 90_000;
/** The source has failed like this, at this very position, too often. */
const REPEATS_AT_POSITION = 10;
/** Runs sessions until `signal` (0) or until one ends in a way that stays. */
export async function supervise(
  session: (signal: AbortSignal) => Promise<void>,
  parts: {
    readonly status: Status;
    readonly log: Log;
    /** Ends early at the abort. @default a timer */
    readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
  },
  signal: AbortSignal,
): Promise<number> {
  const { status, log, pause = rest } = parts;
  const graceOver = afterAbort(signal, STOP_GRACE_MS);
  for (;;) {
    try {
      status.state = "starting";
      // A destination that is locked answers nobody, and nothing depends on an
      // end in order: what is not durable is read again.
      await Promise.race([session(signal), graceOver]);
    } catch (thrown) {
      if (!signal.aborted) {
        const error = escalated(explained(thrown), note(thrown, status));
        const { exitCode, delayMs } = decide(
          error,
          { ...countsOf(status), waitedMs: waitedMs(status) },
          Math.random(),
        );
        status.problem = problemOf(error);
        if (isFailedLogin(error)) status.failedLogins++;
        else status.attempts++;
        report(error, { exitCode, delayMs }, status, log);
        if (exitCode !== undefined) return exitCode;
        status.state = "waiting";
        await (error instanceof LoginError
          ? error.retry.until(signal)
          : pause(delayMs, signal));
      }
    }
    if (signal.aborted) return EXIT_CODE.stopped;
  }
}

function isFailedLogin(error: unknown): boolean {
  return (
    error instanceof ConfigurationError &&
    !(error instanceof StandbyError) &&
    !error.isTls
  );
}

function countsOf({ attempts, failedLogins, hasStreamed }: Status): Counts {
  return { attempts, failedLogins, hasStreamed };
}

/**
 * Remembers how long, or how often, this has been so. The text of an error of
 * the server's decoding says little, and differs between versions and clouds;
 * what counts is its code, and that nothing was stored in between.
 */
function note(error: unknown, status: Status): number {
  const { streamFailure, confirmedLsn } = status;
  status.streamFailure = undefined;
  const waitsFor = waitingFor(error);
  if (!waitsFor) status.waiting = undefined;
  else if (status.waiting?.what !== waitsFor) {
    status.waiting = { what: waitsFor, sinceMs: performance.now() };
  }
  const isDecoding =
    error === streamFailure &&
    error instanceof DatabaseError &&
    !/^(08|57|53300|55006)/.test(error.code ?? "08");
  if (!isDecoding) return 0;
  const what = `${error.code} at ${confirmedLsn}`;
  const times = status.repeated?.what === what ? status.repeated.times + 1 : 1;
  status.repeated = { what, times };
  return times;
}

function escalated(error: unknown, times: number): unknown {
  if (times <= REPEATS_AT_POSITION || error instanceof OperatorError) {
    return error;
  }
  return new RepeatedError(
    `the source has ended the stream ${times} times in the same way at the same position; the slot is kept. See the source's log; if a transaction cannot be decoded at all, docs/operations.md, “A transaction that cannot be read”`,
    { cause: error },
  );
}

function waitingFor(error: unknown): string | undefined {
  if (error instanceof StandbyError) return "standby";
  return isSlotBusy(error) ? "slot" : undefined;
}

function waitedMs({ waiting }: Pick<Status, "waiting">): number {
  return waiting ? performance.now() - waiting.sinceMs : 0;
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** Resolves some time after the abort. */
function afterAbort(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => setTimeout(resolve, ms).unref());
  });
}

/**
 * Up to 17 the server ends the stream at such a change, and will each time: it
 * looks the publication up as of that change. 18 only warns (replication.ts).
 */
function explained(error: unknown): unknown {
  const isMissingPublication =
    error instanceof DatabaseError && error.routine === "get_publication_oid";
  if (!isMissingPublication) return error;
  const { lsn } = decodingContext(error);
  return new OperatorError(
    `the publication was missing when changes that are still to be read were made${lsn ? ` (at ${lsn})` : ""}`,
    "see docs/operations.md, “Publication dropped”: changes made without a publication cannot be read from the log",
    { cause: error },
  );
}

function problemOf(error: unknown): string {
  if (isSlotBusy(error)) {
    return "the slot is in use: another worker runs, or the server has not noticed yet that the last one ended";
  }
  const { message, sqlState } = describeError(error);
  return String(message ?? `SQLSTATE ${sqlState}`);
}

function report(
  error: unknown,
  decision: { exitCode: number | undefined; delayMs: number },
  status: Status,
  log: Log,
): void {
  const { exitCode } = decision;
  // Undefined: a password that is not tried again before there is another one.
  const delayMs =
    error instanceof LoginError ? error.retry.delayMs : decision.delayMs;
  if (error instanceof OperatorError) {
    const { remedy, message } = error;
    if (exitCode !== undefined) log.fatal({ exitCode, remedy }, message);
    else log.warn({ remedy, retryInMs: delayMs }, message);
    return;
  }
  const fields = {
    error: describeError(error),
    ...(exitCode === undefined ? { retryInMs: delayMs } : { exitCode }),
  };
  const isPatient = isSlotBusy(error) && waitedMs(status) < BUSY_PATIENCE_MS;
  const level =
    exitCode !== undefined
      ? "fatal"
      : delayMs === undefined
        ? "error"
        : delayMs < 1_000 || isPatient
          ? "info"
          : "warn";
  log[level](fields, problemOf(error));
}
