/** Checks of the tables: writes that fail, and what the trail will lack. */
import { escapeIdentifier } from "pg";
import type { Finding } from "../finding";
import { eventTriggerNames } from "./event-trigger";
import { checkDdlMarks } from "./preflight-ddl";
import { quotedName } from "./publication";
import { publishingOf, type SetUpOptions } from "./set-up-steps";
import type { EventTriggerFacts, SourceFacts } from "./source-facts";
import {
  brokenBy,
  identityToSet,
  isTracked,
  type SourceTable,
  tableName,
} from "./tracked-tables";

interface TableExpectations extends SetUpOptions {
  readonly willSetUp?: boolean | undefined;
}

export function checkTables(
  facts: SourceFacts,
  tables: readonly SourceTable[],
  expectations: TableExpectations,
): Finding[] {
  const later = expectations.willSetUp
    ? tables.map((table) => afterSetUp(table, facts, expectations))
    : tables;
  const tracked = later.filter((table) => isTracked(table, expectations));
  return [
    ...checkWrites(facts, later, expectations),
    ...checkFull(tracked),
    ...checkUnlogged(tracked),
    ...checkUpgrade(facts, later, expectations),
    ...checkEventTrigger(facts, expectations),
    ...checkDdlMarks(facts, tracked, expectations),
  ];
}

function afterSetUp(
  table: SourceTable,
  facts: SourceFacts,
  expectations: SetUpOptions,
): SourceTable {
  const tracked = isTracked(table, expectations);
  const publishing = publishingOf(table, facts, facts.publication);
  const identity = identityToSet(table, tracked, publishing);
  return { ...table, identity: identity ?? table.identity };
}

function checkWrites(
  facts: SourceFacts,
  tables: readonly SourceTable[],
  expectations: SetUpOptions,
): Finding[] {
  return tables.flatMap((table) => {
    const publishing = publishingOf(table, facts, facts.publication);
    const reason = brokenBy(table, publishing);
    if (!reason) return [];
    const cure = table.hasVirtualGenerated
      ? `give ${tableName(table)} a primary key that is not DEFERRABLE, and then: ALTER TABLE ${quotedName(table)} REPLICA IDENTITY DEFAULT;`
      : table.identity === "full" || table.keyHasGenerated
        ? publishStored(expectations)
        : `ALTER TABLE ${quotedName(table)} REPLICA IDENTITY FULL;`;
    return [
      {
        code: "table-writes-fail",
        severity: "error" as const,
        message: `the application's UPDATE and DELETE on ${tableName(table)} fail because it is published: ${reason}`,
        remedy: cure,
      },
    ];
  });
}

function publishStored({ publicationName }: SetUpOptions): string {
  return `ALTER PUBLICATION ${escapeIdentifier(publicationName)} SET (publish_generated_columns = stored);`;
}

function checkFull(tracked: readonly SourceTable[]): Finding[] {
  const partial = tracked.filter(
    (table) =>
      table.identity !== "full" && !table.partitioned && !table.unlogged,
  );
  if (partial.length === 0) return [];
  const curable = partial.filter((table) => !table.hasVirtualGenerated);
  return [
    {
      code: "identity-not-full",
      severity: "warning",
      message: `REPLICA IDENTITY of ${partial.map(tableName).join(", ")} is not FULL; without it "before" has only the key, and unchanged large values are unknown`,
      remedy:
        curable
          .map(
            (table) =>
              `ALTER TABLE ${quotedName(table)} REPLICA IDENTITY FULL;`,
          )
          .join("\n") ||
        "none: PostgreSQL 18 refuses FULL on a published table with a virtual generated column; a STORED one would do",
    },
  ];
}

function checkUnlogged(tracked: readonly SourceTable[]): Finding[] {
  const unlogged = tracked.filter((table) => table.unlogged);
  if (unlogged.length === 0) return [];
  return [
    {
      code: "table-unlogged",
      severity: "warning",
      message: `${unlogged.map(tableName).join(", ")} is unlogged; its changes are not in the write-ahead log and cannot be tracked`,
      remedy: unlogged
        .map((table) => `ALTER TABLE ${quotedName(table)} SET LOGGED;`)
        .join("\n"),
    },
  ];
}

/** 18 brought the rule; a table that is fine on 17 breaks after pg_upgrade. */
function checkUpgrade(
  facts: SourceFacts,
  tables: readonly SourceTable[],
  expectations: SetUpOptions,
): Finding[] {
  if (facts.versionNum >= 180000) return [];
  const later: SourceFacts = { ...facts, versionNum: 180000 };
  const breaking = tables.filter((table) =>
    brokenBy(table, publishingOf(table, later, facts.publication)),
  );
  const alreadyBroken = checkWrites(facts, tables, expectations).length > 0;
  if (breaking.length === 0 || alreadyBroken) return [];
  return [
    {
      code: "generated-columns-before-18",
      severity: "warning",
      message: `after an upgrade to PostgreSQL 18, UPDATE and DELETE on ${breaking.map(tableName).join(", ")} would fail: their replica identity includes generated columns, which 18 wants published`,
      remedy: `right after such an upgrade, before the application writes: ${publishStored(expectations)}`,
    },
  ];
}

function checkEventTrigger(
  { eventTrigger, ddlTriggers }: SourceFacts,
  { publicationName, willSetUp }: TableExpectations,
): Finding[] {
  const name = eventTriggerNames(publicationName).trigger;
  if (eventTrigger?.enabled)
    return willSetUp ? [] : checkFunctionOwners([eventTrigger, ...ddlTriggers]);
  if (!eventTrigger && willSetUp) return [];
  return [
    {
      code: eventTrigger ? "event-trigger-disabled" : "event-trigger-missing",
      severity: "warning",
      message: `event trigger ${JSON.stringify(name)} ${eventTrigger ? "is disabled" : "does not exist"}; without it, UPDATE and DELETE fail on a new table without primary key once it is published, and "before" is incomplete on others`,
      remedy: eventTrigger
        ? `ALTER EVENT TRIGGER ${escapeIdentifier(name)} ENABLE;`
        : "run the worker's subcommand setup as a superuser (on Amazon RDS and Aurora: rds_superuser)",
    },
  ];
}

/** Who owns the function of an event trigger runs as whoever makes a table. */
function checkFunctionOwners(
  triggers: readonly EventTriggerFacts[],
): Finding[] {
  const wrong = triggers.filter(({ functionTrusted }) => !functionTrusted);
  if (wrong.length === 0) return [];
  const names = wrong.map(({ name }) => JSON.stringify(name)).join(", ");
  const owners = [...new Set(wrong.map(({ functionOwner }) => functionOwner))];
  return [
    {
      code: "event-trigger-function-owner",
      severity: "warning",
      message: `what the event trigger ${names} calls belongs to ${owners.join(", ")}, who is no superuser and by replacing it runs as everybody who makes a table`,
      remedy:
        "run the worker's subcommand setup as a superuser (on Amazon RDS and Aurora: rds_superuser); it makes the function anew, as its own",
    },
  ];
}
