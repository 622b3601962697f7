/**
 * Prepares a source: replica identities, the event trigger for new tables, the
 * publication, and last the slot. Every step can be repeated, and what is there
 * already is left alone; an existing publication is never altered: what it lacks
 * is a finding (preflight.ts).
 */
import type { ClientBase } from "pg";
import type { Logger } from "pino";
import { refuse } from "../finding";
import { type Lsn, parseLsn } from "../lsn";
import { errorCode, SQLSTATE } from "../sql-state";
import { missingPrivilege } from "./missing-privilege";
import { untilOlderTransactionsEnd } from "./older-transactions";
import { checkServer } from "./preflight-server";
import { checkSlot } from "./preflight-slot";
import { checkPlan } from "./publication-plan-check";
import { runStep } from "./run-step";
import {
  isOptional,
  type SetUpOptions,
  type Situation,
  type Step,
  setUpSteps,
} from "./set-up-steps";
import { readSourceFacts } from "./source-facts";
import { readSchemas, readTables } from "./tracked-tables";

export interface SetUpResult {
  /** What was made or altered, in order; empty when all was there. */
  readonly created: readonly string[];
  /** Where a slot that was made now begins. */
  readonly slotLsn: Lsn | undefined;
}

/**
 * @throws OperatorError when a privilege is missing, with the exact SQL of that
 * and all further steps; or when a lock cannot be had, with who holds it.
 */
export async function setUpSource(
  client: ClientBase,
  options: SetUpOptions,
  log: Pick<Logger, "info" | "warn">,
): Promise<SetUpResult> {
  const created: string[] = [];
  const refused = new Set<Step["kind"]>();
  let slotLsn: Lsn | undefined;
  const run = async (now: Situation, kinds?: readonly Step["kind"][]) => {
    const steps = setUpSteps(now, options);
    for (const [index, step] of steps.entries()) {
      if (kinds && !kinds.includes(step.kind)) continue;
      if (refused.has(step.kind)) continue;
      const row = await runStep(client, step).catch((error: unknown) => {
        if (errorCode(error) !== SQLSTATE.insufficientPrivilege) throw error;
        if (!isOptional(step)) {
          throw missingPrivilege(now.facts, steps.slice(index), error);
        }
        const { message, remedy } = missingPrivilege(now.facts, [step], error);
        log.warn({ step: step.kind, remedy }, message);
        refused.add(step.kind);
        return undefined;
      });
      if (refused.has(step.kind)) continue;
      if (typeof row?.lsn === "string") slotLsn = parseLsn(row.lsn);
      created.push(step.what);
      log.info({ step: step.kind }, `set up ${step.what}`);
    }
  };

  let now = await readSituation(client, options);
  refuse(checkServer(now.facts));
  refuse(checkSlot(now.facts, { ...options, willSetUp: true }));
  if (!now.facts.publication) {
    const findings = checkPlan(now, options);
    refuse(findings);
    for (const finding of findings) log.warn(finding, finding.message);
    await run(now, ["identity", "event trigger", "ddl triggers"]);
    // A transaction older than the trigger may yet commit a new table without
    // an identity, and the publication must not meet one. The slot would wait
    // for the same transactions anyway.
    await untilOlderTransactionsEnd(client);
    now = await readSituation(client, options);
    refuse(checkPlan(now, options));
  }
  await run(now);
  return { created, slotLsn };
}

async function readSituation(
  client: ClientBase,
  options: SetUpOptions,
): Promise<Situation> {
  return {
    facts: await readSourceFacts(client, options),
    tables: await readTables(client),
    schemas: await readSchemas(client),
  };
}
