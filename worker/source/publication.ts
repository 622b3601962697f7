/**
 * The publication that the slot is read through: what it covers, what a new one
 * should cover, and the statement that makes it. A publication decides whose
 * UPDATE and DELETE the server may refuse, so "covered" is computed here
 * exactly as the server does, before anything is published.
 */
import { escapeIdentifier } from "pg";
import type { TablePatterns } from "../settings/tables";

/** What a publication covers, or would cover. */
export interface Coverage {
  readonly allTables: boolean;
  readonly schemas: readonly string[];
  readonly tableOids: readonly number[];
}

/** As much of a table as coverage depends on. */
export interface Coverable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly unlogged: boolean;
  /** Its partitioned parents, which publish it too. */
  readonly ancestors: readonly TableName[];
}

export interface TableName {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

export interface PublicationPlan extends Coverage {
  readonly tables: readonly Coverable[];
  /** Of the patterns' literal names, those that do not exist. */
  readonly missing: readonly string[];
}

export interface PublicationInput {
  readonly versionNum: number;
  readonly patterns: TablePatterns;
  readonly tables: readonly Coverable[];
  readonly schemas: readonly string[];
}

/**
 * The narrowest kind that also covers tables created later: FOR ALL TABLES only
 * where nothing narrower can say it, since it floods the stream with the work
 * tables of pg_repack and the like.
 */
export function planPublication(input: PublicationInput): PublicationPlan {
  const { patterns, versionNum } = input;
  const anySchema = patterns.includes.some((part) => part.schema.wildcard);
  const anyTable = patterns.includes.some((part) => part.table.wildcard);
  // 14 knows no FOR TABLES IN SCHEMA.
  if (anySchema || (anyTable && versionNum < 150000)) {
    return {
      allTables: true,
      schemas: [],
      tableOids: [],
      tables: [],
      missing: [],
    };
  }
  const wanted = new Set(
    patterns.includes
      .filter((part) => part.table.wildcard)
      .map((part) => part.schema.text),
  );
  const named = new Set(
    patterns.includes
      .filter((part) => !wanted.has(part.schema.text))
      .map((part) => fullName(part.schema.text, part.table.text)),
  );
  // The server refuses a publication with an unlogged table in its list.
  const tables = input.tables.filter(
    (table) => !table.unlogged && named.has(fullName(table.schema, table.name)),
  );
  const found = new Set(
    tables.map((table) => fullName(table.schema, table.name)),
  );
  return {
    allTables: false,
    schemas: [...wanted].filter((schema) => input.schemas.includes(schema)),
    tableOids: tables.map((table) => table.oid),
    tables,
    missing: [
      ...[...wanted]
        .filter((schema) => !input.schemas.includes(schema))
        .map((schema) => `${schema}.*`),
      ...[...named].filter((name) => !found.has(name)),
    ],
  };
}

/** The statement that makes the planned publication. */
export function publicationStatement(
  name: string,
  versionNum: number,
  plan: PublicationPlan,
): string {
  const options = [
    "publish = 'insert, update, delete, truncate'",
    // Via the root a partition's old rows come with false NULLs.
    "publish_via_partition_root = false",
    // FULL with an unpublished generated column makes UPDATE fail.
    ...(versionNum >= 180000 ? ["publish_generated_columns = stored"] : []),
  ];
  return `CREATE PUBLICATION ${escapeIdentifier(name)} FOR ${target(plan)} WITH (${options.join(", ")})`;
}

/** Whether a publication sends this table's changes. */
export function covers(coverage: Coverage, table: Coverable): boolean {
  if (table.unlogged) return false;
  return (
    coverage.allTables ||
    [table, ...table.ancestors].some(
      (member) =>
        coverage.schemas.includes(member.schema) ||
        coverage.tableOids.includes(member.oid),
    )
  );
}

/** `"schema"."table"`. */
export function quotedName(table: { schema: string; name: string }): string {
  return `${escapeIdentifier(table.schema)}.${escapeIdentifier(table.name)}`;
}

/**
 * A publication's list of tables. Without ONLY the server adds those that
 * inherit from them, which nobody asked for, which have not inherited the
 * primary key, and whose UPDATE and DELETE would fail from then on.
 * Partitions are published with or without it.
 */
export function onlyTables(
  tables: readonly { readonly schema: string; readonly name: string }[],
): string {
  return tables.map((table) => `ONLY ${quotedName(table)}`).join(", ");
}

/** `schema.table`, for people. */
export function fullName(schema: string, name: string): string {
  return `${schema}.${name}`;
}

function target(plan: PublicationPlan): string {
  if (plan.allTables) return "ALL TABLES";
  // The only spelling that 14 knows too: TABLE once, for all of them.
  const tables = onlyTables(plan.tables);
  return [
    ...(tables ? [`TABLE ${tables}`] : []),
    ...plan.schemas.map(
      (schema) => `TABLES IN SCHEMA ${escapeIdentifier(schema)}`,
    ),
  ].join(", ");
}
