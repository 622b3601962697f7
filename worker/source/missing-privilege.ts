/**
 * What to tell an administrator when the worker's role may not do a step: the
 * SQL of that step and of all that follow, exact and complete, after which the
 * worker finds everything there and needs none of these privileges.
 */
import { escapeIdentifier } from "pg";
import { OperatorError } from "../errors";
import { patienceFor } from "./run-step";
import { replicationGrant, type Step } from "./set-up-steps";
import type { SourceFacts } from "./source-facts";

export function missingPrivilege(
  facts: SourceFacts,
  /** The one that failed, and the rest. */
  steps: readonly Step[],
  cause: unknown,
): OperatorError {
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  return new OperatorError(
    `role ${escapeIdentifier(facts.role.name)} may not set up ${steps[0]?.what ?? "the source"} in database ${escapeIdentifier(facts.database.name)}${reason}`,
    `Run this in database ${escapeIdentifier(facts.database.name)} as ${facts.onRds ? "a member of rds_superuser" : "a superuser"}, statement by statement and not inside BEGIN … COMMIT (psql does), and start again${schemaNote(facts)}:\n${administratorSql(facts, steps)}`,
    { cause },
  );
}

/**
 * On RDS nobody is above privileges: where the application's migrations made the
 * schema, the administrator is refused as well. A superuser needs no leave.
 */
export function schemaNote({ onRds, schemaOwner }: SourceFacts): string {
  if (!onRds || schemaOwner === null) return "";
  const owner = escapeIdentifier(schemaOwner);
  return ` (the schema _bemi belongs to ${owner}: as ${owner}, first GRANT USAGE, CREATE ON SCHEMA _bemi to that member of rds_superuser)`;
}

/** Each statement ends with a semicolon. */
export function administratorSql(
  facts: SourceFacts,
  steps: readonly Step[],
): string {
  const grant = replicationGrant(facts);
  const statements = grant ? [grant] : [];
  let lockTimeoutMs = 0;
  for (const step of steps) {
    // Here as there: an ALTER TABLE that waits makes the application wait.
    const patience = patienceFor(step);
    if (patience.lockTimeoutMs !== lockTimeoutMs) {
      lockTimeoutMs = patience.lockTimeoutMs;
      statements.push(`SET lock_timeout = '${lockTimeoutMs}ms'`);
    }
    statements.push(...step.statements);
  }
  return statements.map((statement) => `${statement};`).join("\n");
}
