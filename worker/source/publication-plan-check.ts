/** Whether the publication that the set-up is about to make can be made. */
import type { Finding } from "../finding";
import {
  planFor,
  publishingOf,
  type SetUpOptions,
  type Situation,
} from "./set-up-steps";
import {
  brokenBy,
  identityToSet,
  isTracked,
  tableName,
} from "./tracked-tables";

export function checkPlan(now: Situation, options: SetUpOptions): Finding[] {
  const plan = planFor(now, options);
  const findings: Finding[] = [];
  if (plan.missing.length > 0) {
    const empty =
      !plan.allTables &&
      plan.schemas.length === 0 &&
      plan.tableOids.length === 0;
    findings.push({
      code: "tracked-table-missing",
      severity: empty ? "error" : "warning",
      message: `TRACK_TABLES names ${plan.missing.join(", ")}, which database ${JSON.stringify(now.facts.database.name)} does not have (or only as a kind of table that cannot be published)`,
      remedy:
        "create it or correct TRACK_TABLES (names are case-sensitive); a single table that is created later has to be added to the publication by hand",
      exitCode: 2,
    });
  }
  for (const table of now.tables) {
    const publishing = publishingOf(table, now.facts, plan);
    const identity =
      identityToSet(table, isTracked(table, options), publishing) ??
      table.identity;
    // After the set-up's own ALTER: only what it cannot cure is left.
    const reason = brokenBy({ ...table, identity }, publishing);
    if (!reason) continue;
    findings.push({
      code: "table-would-break",
      severity: "error",
      message: `publishing ${tableName(table)} would make the application's UPDATE and DELETE fail: ${reason}, and a virtual generated column rules REPLICA IDENTITY FULL out`,
      remedy: `give ${tableName(table)} a primary key that is not DEFERRABLE, or name the tables to track one by one in TRACK_TABLES without it`,
    });
  }
  return findings;
}
