/**
 * Runs one step of the set-up without ever standing in the application's way:
 * who waits for a lock makes everybody behind it wait too, so each attempt gives
 * up quickly and lets the queue pass before it tries again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientBase } from "pg";
import { OperatorError } from "../errors";
import { errorCode, SQLSTATE } from "../sql-state";
import { describeBlockers } from "./blockers";
import type { Step } from "./set-up-steps";

export interface Patience {
  readonly lockTimeoutMs: number;
  readonly attempts: number;
}

/**
 * A slot waits for every transaction that has written, and stands in nobody's
 * way meanwhile; a table's lock does.
 */
export function patienceFor(step: Pick<Step, "kind">): Patience {
  return step.kind === "slot"
    ? { lockTimeoutMs: 10_000, attempts: 1 }
    : { lockTimeoutMs: 2_000, attempts: 6 };
}

/** Returns the last statement's first row. */
export async function runStep(
  client: ClientBase,
  step: Step,
  patience: Patience = patienceFor(step),
): Promise<Record<string, unknown> | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(client, step, patience.lockTimeoutMs);
    } catch (error) {
      if (!isLockFailure(error)) throw error;
      if (attempt === patience.attempts) {
        throw await blocked(client, step, patience, error);
      }
    }
    await sleep(pauseMs(attempt, Math.random()));
  }
}

/** Grows, and differs between workers; `random` is in [0, 1). */
export function pauseMs(attempt: number, random: number): number {
  return Math.round(attempt * 250 * (1 + random));
}

async function runOnce(
  client: ClientBase,
  step: Step,
  lockTimeoutMs: number,
): Promise<Record<string, unknown> | undefined> {
  // Several statements in one message are one transaction, which a failure
  // rolls back whole. statement_timeout of a role must not cut it short.
  const sql = [
    `SET LOCAL lock_timeout = ${lockTimeoutMs}`,
    "SET LOCAL statement_timeout = 0",
    ...step.statements,
  ].join(";\n");
  const results: unknown = await client.query(sql);
  const last: unknown = Array.isArray(results) ? results.at(-1) : results;
  return hasRows(last) ? last.rows[0] : undefined;
}

function hasRows(
  result: unknown,
): result is { rows: Record<string, unknown>[] } {
  return (
    typeof result === "object" &&
    result !== null &&
    "rows" in result &&
    Array.isArray(result.rows)
  );
}

function isLockFailure(error: unknown): boolean {
  const code = errorCode(error);
  return (
    code === SQLSTATE.lockNotAvailable || code === SQLSTATE.deadlockDetected
  );
}

async function blocked(
  client: ClientBase,
  step: Step,
  { lockTimeoutMs, attempts }: Patience,
  cause: unknown,
): Promise<OperatorError> {
  const who = await describeBlockers(client, step.relationOids);
  return new OperatorError(
    `${step.what} could not be set up: ${attempts} attempts of ${lockTimeoutMs / 1000} s each waited in vain for ${who}`,
    "let these transactions end, or end one with SELECT pg_terminate_backend(<pid>), and start again; what is set up already stays",
    { cause },
  );
}
