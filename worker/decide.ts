/**
 * What happens after a failure of a session: whether it is waited out and for how
 * long, or ends the process and with what code (docs/operations.md, "Exit codes").
 */
import {
  ConfigurationError,
  EXIT_CODE,
  FencedError,
  LoginError,
  OperatorError,
  StandbyError,
} from "./errors";
import { errorCode } from "./sql-state";
import type { Status } from "./status";
import { UnreadableMessageError } from "./stream/pgoutput";

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;
const FIRST_TLS_DELAY_MS = 1_000;
const MAX_TLS_DELAY_MS = 10_000;
/** Failed log-ins lock accounts, so they are repeated slowly; see login.ts. */
const FIRST_LOGIN_DELAY_MS = 10_000;
const MAX_LOGIN_DELAY_MS = 15 * 60_000;
/** A worker that has never streamed gives up: whoever started it should see. */
const ATTEMPTS_BEFORE_FIRST_STREAM = 5;
/** A failover takes minutes; a reader endpoint stays one. */
const STANDBY_PATIENCE_MS = 10 * 60_000;
/** What cannot be read is not going to be readable the fourth time. */
const ATTEMPTS_AT_UNREADABLE = 3;

export interface Decision {
  /** Undefined: try again. */
  readonly exitCode?: number;
  readonly delayMs: number;
}

export type Counts = Pick<Status, "attempts" | "failedLogins" | "hasStreamed">;

/** What happens after a failure. `random` is in [0, 1), for jitter. */
export function decide(
  error: unknown,
  status: Counts & { readonly waitedMs: number },
  random: number,
): Decision {
  const { attempts, failedLogins, hasStreamed } = status;
  const again = (
    firstMs: number,
    maxMs: number,
    failures = attempts,
  ): Decision => ({
    delayMs: Math.round(
      Math.min(maxMs, firstMs * 2 ** failures) * (0.75 + random / 2),
    ),
  });
  const end = (exitCode: number): Decision => ({ exitCode, delayMs: 0 });

  const isTls =
    (error instanceof OperatorError || error instanceof ConfigurationError) &&
    error.isTls;
  // What was right before is being changed, and asking again costs nobody.
  if (isTls && hasStreamed) return again(FIRST_TLS_DELAY_MS, MAX_TLS_DELAY_MS);
  if (error instanceof OperatorError) return end(EXIT_CODE.operator);
  if (error instanceof FencedError) return end(EXIT_CODE.failed);
  if (error instanceof RepeatedError) return end(EXIT_CODE.failed);
  if (error instanceof StandbyError && status.waitedMs < STANDBY_PATIENCE_MS) {
    // Never so soon that it would be told as a trifle.
    return again(2_000, 10_000);
  }
  if (error instanceof StandbyError) return end(EXIT_CODE.configuration);
  if (error instanceof LoginError && hasStreamed) {
    // A password that was right before is being changed somewhere.
    const { isFinal, delayMs = 0 } = error.retry;
    return isFinal ? end(EXIT_CODE.failed) : { delayMs };
  }
  if (error instanceof ConfigurationError) {
    return hasStreamed
      ? again(FIRST_LOGIN_DELAY_MS, MAX_LOGIN_DELAY_MS, failedLogins)
      : end(EXIT_CODE.configuration);
  }
  if (
    error instanceof UnreadableMessageError &&
    attempts + 1 >= ATTEMPTS_AT_UNREADABLE
  ) {
    return end(EXIT_CODE.failed);
  }
  if (isSlotBusy(error)) return again(1_000, 10_000);
  if (!hasStreamed && attempts + 1 >= ATTEMPTS_BEFORE_FIRST_STREAM) {
    return end(EXIT_CODE.failed);
  }
  return again(FIRST_DELAY_MS, MAX_DELAY_MS);
}

/** The source fails in the same way, at the same position, again and again. */
export class RepeatedError extends Error {
  override readonly name = "RepeatedError";
}

/** Another worker, or the server has not noticed the end of the last. */
export function isSlotBusy(error: unknown): boolean {
  return errorCode(error) === "55006";
}
