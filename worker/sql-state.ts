/** The code of a failure, which is the same in every version and language. */
import { DatabaseError } from "pg";

/** A server's SQLSTATE or Node's errno; undefined when there is none. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) {
    return undefined;
  }
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * The SQLSTATE that a server which goes on has answered with, also under a
 * sentence of ours. Undefined when none answered, or one that was starting up
 * or shutting down (57P01 to 57P05).
 */
export function answerOf(error: unknown): string | undefined {
  const cause = error instanceof Error && error.cause ? error.cause : error;
  if (!(cause instanceof DatabaseError)) return undefined;
  return cause.code?.startsWith("57P") ? undefined : cause.code;
}

/** The SQLSTATEs that this folder decides by. */
export const SQLSTATE = {
  insufficientPrivilege: "42501",
  lockNotAvailable: "55P03",
  deadlockDetected: "40P01",
  featureNotSupported: "0A000",
  undefinedFunction: "42883",
  uniqueViolation: "23505",
  checkViolation: "23514",
  badCopyFormat: "22P04",
} as const;
