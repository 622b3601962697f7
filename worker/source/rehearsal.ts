/**
 * Whether the role may make what the set-up makes, before anything is made. It
 * is in no catalogue (clouds have superusers of their own kinds), so it is tried
 * in a transaction that is taken back: who is refused gets all of the SQL for an
 * administrator, and neither server has changed.
 */
import { type ClientBase, escapeIdentifier } from "pg";
import { OperatorError } from "../errors";
import type { Finding } from "../finding";
import { errorCode, SQLSTATE } from "../sql-state";
import { administratorSql, schemaNote } from "./missing-privilege";
import { patienceFor } from "./run-step";
import {
  isOptional,
  type SetUpOptions,
  type Situation,
  type Step,
  setUpSteps,
} from "./set-up-steps";

/** @throws OperatorError when a privilege is missing. */
export async function rehearseSetUp(
  client: ClientBase,
  now: Situation,
  options: SetUpOptions,
): Promise<void> {
  const { role, database } = now.facts;
  if (role.superuser) return;
  for (const step of setUpSteps(now, options)) {
    const refused = await refusal(client, step, now);
    if (refused === undefined) continue;
    throw new OperatorError(
      `role ${escapeIdentifier(role.name)} may not set up ${step.what} in database ${escapeIdentifier(database.name)}: ${refused}`,
      administratorRemedy(now, options),
    );
  }
}

/**
 * For who only looks: no catalogue says whether a role may make all of it, so
 * that without this a check would call ready what the first start refuses.
 */
export function untriedSetUp(now: Situation, options: SetUpOptions): Finding[] {
  const { role } = now.facts;
  const steps = setUpSteps(now, options).filter(isRehearsed);
  if (role.superuser || steps.length === 0) return [];
  return [
    {
      code: "setup-untried",
      severity: "warning",
      message: `role ${escapeIdentifier(role.name)} is no superuser, and a check does not try whether it may set up ${steps.map(({ what }) => what).join(", ")}`,
      remedy:
        "run setup as an administrator, or start the worker: where the role may not, it ends with exit code 3 and the SQL to run, and has changed nothing",
    },
  ];
}

/** All that is missing: a publication without the identities breaks writes. */
export function administratorRemedy(
  now: Situation,
  options: SetUpOptions,
): string {
  const { database, onRds } = now.facts;
  const who = onRds
    ? "a member of rds_superuser"
    : "a superuser (Amazon RDS and Aurora: rds_superuser, and GRANT rds_replication instead of ALTER ROLE … REPLICATION)";
  return `Run this in database ${escapeIdentifier(database.name)} as ${who}, statement by statement and not inside BEGIN … COMMIT (psql does), and start again${schemaNote(now.facts)}:\n${administratorSql(now.facts, setUpSteps(now, options))}`;
}

function isRehearsed(step: Step): boolean {
  // A slot's privilege, REPLICATION, has been looked at; and it cannot be taken
  // back.
  return !isOptional(step) && step.kind !== "slot";
}

async function refusal(
  client: ClientBase,
  step: Step,
  { tables }: Situation,
): Promise<string | undefined> {
  if (!isRehearsed(step)) return undefined;
  if (step.kind === "identity") {
    // Not tried: it would lock the table.
    const table = tables.find(({ oid }) => step.relationOids.includes(oid));
    return table?.mayAlter === false ? "it must own the table" : undefined;
  }
  try {
    await client.query(
      [
        "BEGIN",
        `SET LOCAL lock_timeout = ${patienceFor(step).lockTimeoutMs}`,
        ...step.statements,
      ].join(";\n"),
    );
    return undefined;
  } catch (error) {
    // Anything else is the set-up's own to wait out or to say.
    if (errorCode(error) !== SQLSTATE.insufficientPrivilege) return undefined;
    return error instanceof Error ? error.message : "permission denied";
  } finally {
    await client.query("ROLLBACK");
  }
}
