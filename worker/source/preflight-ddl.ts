/** Checks of what marks DDL: without it a trail is whole, and says less. */
import { escapeIdentifier } from "pg";
import type { Finding } from "../finding";
import { DDL_TRIGGERS } from "./ddl-trigger";
import { ddlTriggerState } from "./set-up-steps";
import type { SourceFacts } from "./source-facts";
import type { SourceTable } from "./tracked-tables";

export function checkDdlMarks(
  facts: SourceFacts,
  tracked: readonly SourceTable[],
  { willSetUp }: { readonly willSetUp?: boolean | undefined },
): Finding[] {
  const state = ddlTriggerState(facts);
  if (state === "missing" && willSetUp) return [];
  if (state === "there") return checkPrivilege(facts, tracked);
  return [
    {
      code: `ddl-triggers-${state}`,
      severity: "warning",
      message: `the event triggers that mark DDL are ${state === "disabled" ? "disabled" : "missing or of another version"}; without them a DROP TABLE, or a column that is rewritten, leaves no trace in _bemi_schema_changes`,
      remedy:
        state === "disabled"
          ? DDL_TRIGGERS.map(
              ({ name }) => `ALTER EVENT TRIGGER ${name} ENABLE;`,
            ).join("\n")
          : "run the worker's subcommand setup as a superuser (on Amazon RDS and Aurora: rds_superuser)",
    },
  ];
}

/** Where EXECUTE was taken from PUBLIC, who owns tables has to be granted it. */
function checkPrivilege(
  { versionNum }: SourceFacts,
  tracked: readonly SourceTable[],
): Finding[] {
  const owners = tracked.flatMap(({ owner, ownerMayMark }) =>
    ownerMayMark ? [] : [owner],
  );
  if (owners.length === 0) return [];
  const names = [...new Set(owners)].toSorted();
  // 17 gave it a fourth parameter.
  const parameters =
    versionNum >= 170000
      ? "boolean, text, text, boolean"
      : "boolean, text, text";
  return [
    {
      code: "ddl-mark-privilege",
      severity: "warning",
      message: `the owners of tracked tables (${names.join(", ")}) may not execute pg_logical_emit_message; what they alter or drop leaves no trace in _bemi_schema_changes`,
      remedy: names
        .map(
          (name) =>
            `GRANT EXECUTE ON FUNCTION pg_catalog.pg_logical_emit_message(${parameters}) TO ${escapeIdentifier(name)};`,
        )
        .join("\n"),
    },
  ];
}
