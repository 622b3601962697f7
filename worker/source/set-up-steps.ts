/**
 * What the set-up has to do on a source, as a list of SQL in the order that
 * never breaks the customer's writes: identities, event trigger, publication,
 * slot. A pure decision, so that the same list is run, logged, and handed to an
 * administrator when a privilege is missing.
 */
import { escapeIdentifier, escapeLiteral } from "pg";
import {
  DDL_TRIGGER_BODY,
  DDL_TRIGGERS,
  ddlTriggerStatements,
} from "./ddl-trigger";
import {
  EVENT_TRIGGER_TAGS,
  eventTriggerBody,
  eventTriggerStatements,
} from "./event-trigger";
import {
  type Coverage,
  covers,
  type PublicationPlan,
  planPublication,
  publicationStatement,
  quotedName,
} from "./publication";
import type { SourceFacts } from "./source-facts";
import {
  identityToSet,
  isTracked,
  type Publishing,
  type SourceTable,
  type Tracking,
  tableName,
} from "./tracked-tables";

export interface SetUpOptions extends Tracking {
  readonly slotName: string;
  readonly publicationName: string;
}

/** A source as it was read. */
export interface Situation {
  readonly facts: SourceFacts;
  readonly tables: readonly SourceTable[];
  readonly schemas: readonly string[];
}

export interface Step {
  readonly kind:
    | "identity"
    | "event trigger"
    | "ddl triggers"
    | "publication"
    | "slot";
  /** For messages: "the replica identity of public.todo". */
  readonly what: string;
  /** Run in one transaction; none of them holds a parameter. */
  readonly statements: readonly string[];
  /** Tables that it locks. */
  readonly relationOids: readonly number[];
}

/**
 * A trail is whole without it, as those that began before it are: where only
 * this cannot be made, the worker says so and goes on.
 */
export function isOptional({ kind }: Pick<Step, "kind">): boolean {
  return kind === "ddl triggers";
}

/** Everything that is missing, in the order to make it; empty when nothing is. */
export function setUpSteps(now: Situation, options: SetUpOptions): Step[] {
  const plan = planFor(now, options);
  return [
    ...identitySteps(now, plan, options),
    ...eventTriggerSteps(now, plan, options),
    ...ddlTriggerSteps(now.facts),
    ...publicationSteps(now, plan, options),
    ...slotSteps(now, options),
  ];
}

/** The publication to make where there is none. */
export function planFor(
  now: Situation,
  options: SetUpOptions,
): PublicationPlan {
  return planPublication({
    versionNum: now.facts.versionNum,
    patterns: options.trackTables,
    tables: now.tables,
    schemas: now.schemas,
  });
}

/** How a table is, or is about to be, published; by nothing if undefined. */
export function publishingOf(
  table: SourceTable,
  facts: SourceFacts,
  coverage: Coverage | undefined,
): Publishing {
  const { publication, versionNum } = facts;
  return {
    versionNum,
    covered: coverage !== undefined && covers(coverage, table),
    publishesOldRows: publication
      ? publication.update || publication.delete
      : true,
    publishesStoredGenerated: publication?.storedGenerated ?? true,
  };
}

/** The SQL that lets the role replicate, if it may not already. */
export function replicationGrant(facts: SourceFacts): string | undefined {
  const { role, onRds } = facts;
  if (mayReplicate(facts)) return undefined;
  const name = escapeIdentifier(role.name);
  return onRds
    ? `GRANT rds_replication TO ${name}`
    : `ALTER ROLE ${name} REPLICATION`;
}

export function mayReplicate({ role }: SourceFacts): boolean {
  return (
    role.superuser ||
    role.replication ||
    role.rdsReplication ||
    role.rdsSuperuser
  );
}

function identitySteps(
  now: Situation,
  plan: PublicationPlan,
  options: SetUpOptions,
): Step[] {
  return now.tables.flatMap((table) => {
    const identity = identityToSet(
      table,
      isTracked(table, options),
      publishingOf(table, now.facts, now.facts.publication ?? plan),
    );
    if (!identity) return [];
    const sql = `ALTER TABLE ${quotedName(table)} REPLICA IDENTITY ${identity.toUpperCase()}`;
    return [
      {
        kind: "identity",
        what: `the replica identity of ${tableName(table)}`,
        statements: [sql],
        relationOids: [table.oid],
      },
    ];
  });
}

function eventTriggerSteps(
  { facts, tables }: Situation,
  plan: PublicationPlan,
  options: SetUpOptions,
): Step[] {
  const coverage = facts.publication ?? plan;
  const body = eventTriggerBody({
    coverage,
    tables: tables.filter((table) => coverage.tableOids.includes(table.oid)),
    destinationIsSource: options.destinationIsSource === true,
    publishesStoredGenerated: facts.publication?.storedGenerated ?? true,
    versionNum: facts.versionNum,
  });
  const there = facts.eventTrigger;
  const upToDate =
    there?.functionSchema === "_bemi" &&
    there.functionBody === body &&
    there.functionTrusted &&
    EVENT_TRIGGER_TAGS.every((tag) => there.tags.includes(tag));
  // Who disabled it did so on purpose: a finding, not ours to undo.
  if (upToDate || there?.enabled === false) return [];
  return [
    {
      kind: "event trigger",
      what: "the event trigger for new tables",
      // One transaction: a function that a lesser role owns must never be left
      // for a superuser's trigger to call.
      statements: eventTriggerStatements(options.publicationName, body),
      relationOids: [],
    },
  ];
}

function ddlTriggerSteps(facts: SourceFacts): Step[] {
  if (ddlTriggerState(facts) !== "missing") return [];
  return [
    {
      kind: "ddl triggers",
      what: "the event triggers that mark DDL",
      statements: ddlTriggerStatements(),
      relationOids: [],
    },
  ];
}

/** Who disabled one of them did so on purpose: a finding, not ours to undo. */
export function ddlTriggerState({
  ddlTriggers,
}: Pick<SourceFacts, "ddlTriggers">): "disabled" | "missing" | "there" {
  if (ddlTriggers.some(({ enabled }) => !enabled)) return "disabled";
  const upToDate = DDL_TRIGGERS.every(({ name, tags }) => {
    const there = ddlTriggers.find((trigger) => trigger.name === name);
    return (
      there?.functionSchema === "_bemi" &&
      there.functionBody === DDL_TRIGGER_BODY &&
      there.functionTrusted &&
      tags.every((tag) => there.tags.includes(tag)) &&
      (tags.length > 0 || there.tags.length === 0)
    );
  });
  return upToDate ? "there" : "missing";
}

function publicationSteps(
  { facts }: Situation,
  plan: PublicationPlan,
  { publicationName }: SetUpOptions,
): Step[] {
  if (facts.publication) return [];
  return [
    {
      kind: "publication",
      what: `the publication ${publicationName}`,
      statements: [
        publicationStatement(publicationName, facts.versionNum, plan),
      ],
      relationOids: plan.tableOids,
    },
  ];
}

/** Last: decoding a change looks up the publication as of that change. */
function slotSteps({ facts }: Situation, { slotName }: SetUpOptions): Step[] {
  if (facts.slot) return [];
  // From 17 on a standby that synchronises slots takes this one over, and the
  // trail survives a failover; nothing else comes of it.
  const failover = facts.versionNum >= 170000 ? ", failover => true" : "";
  return [
    {
      kind: "slot",
      what: `the replication slot ${slotName}`,
      statements: [
        `SELECT lsn::text AS lsn FROM pg_catalog.pg_create_logical_replication_slot(${escapeLiteral(slotName)}, 'pgoutput'${failover})`,
      ],
      relationOids: [],
    },
  ];
}
