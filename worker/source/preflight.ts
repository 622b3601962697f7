/**
 * Whether a source can be tracked, decided from what was read and nothing else:
 * the same answer for the worker's start, `check` and `doctor`.
 */
import type { Finding } from "../finding";
import { checkPublication } from "./preflight-publication";
import { checkServer } from "./preflight-server";
import { checkSlot } from "./preflight-slot";
import { checkTables } from "./preflight-tables";
import {
  mayReplicate,
  replicationGrant,
  type SetUpOptions,
} from "./set-up-steps";
import type { SourceFacts } from "./source-facts";
import type { SourceTable } from "./tracked-tables";

export interface Expectations extends SetUpOptions {
  /** What the set-up is going to make or cure is no finding. */
  readonly willSetUp?: boolean | undefined;
}

/** Errors first. */
export function checkSource(
  facts: SourceFacts,
  tables: readonly SourceTable[],
  expectations: Expectations,
): Finding[] {
  const findings = [
    ...checkServer(facts),
    ...checkRole(facts),
    ...checkCapacity(facts, expectations),
    ...checkSlot(facts, expectations),
    ...checkPublication(facts, tables, expectations),
    ...checkTables(facts, tables, expectations),
  ];
  return findings.sort(
    (a, b) => Number(b.severity === "error") - Number(a.severity === "error"),
  );
}

function checkRole(facts: SourceFacts): Finding[] {
  const grant = replicationGrant(facts);
  if (!grant || mayReplicate(facts)) return [];
  const form = facts.onRds
    ? "as the RDS master user"
    : "as a superuser (on Amazon RDS and Aurora it is GRANT rds_replication TO the role instead)";
  return [
    {
      code: "role-without-replication",
      severity: "error",
      message: `role ${JSON.stringify(facts.role.name)} may not replicate; it needs ${facts.onRds ? "membership in rds_replication" : "the attribute REPLICATION"}`,
      remedy: `${form}: ${grant};`,
    },
  ];
}

function checkCapacity(
  { walSenders, replicationSlots, slot }: SourceFacts,
  { slotName }: Expectations,
): Finding[] {
  const findings: Finding[] = [];
  // An active slot has its sender already: ours, or the predecessor's.
  if (!slot?.active && walSenders.used >= walSenders.max) {
    findings.push({
      code: "no-free-wal-sender",
      severity: "error",
      message: `all ${walSenders.max} WAL senders are in use (max_wal_senders); the worker needs one more`,
      remedy: `raise max_wal_senders to at least ${walSenders.used + 2} and restart the server, or end a replication that is no longer needed (pg_stat_replication)`,
    });
  }
  if (!slot && replicationSlots.used >= replicationSlots.max) {
    findings.push({
      code: "no-free-replication-slot",
      severity: "error",
      message: `all ${replicationSlots.max} replication slots are in use (max_replication_slots); slot ${JSON.stringify(slotName)} needs one more`,
      remedy: `raise max_replication_slots to at least ${replicationSlots.used + 2} and restart the server, or drop a slot that is no longer needed (pg_replication_slots)`,
    });
  }
  return findings;
}
