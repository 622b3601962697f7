/**
 * The source's tables as far as tracking them is concerned, and the decisions
 * about their replica identity: which must become FULL for complete `before`
 * values, which must not, and whose writes a publication would break.
 */
import type { ClientBase } from "pg";
import { type TablePatterns, tracks } from "../settings/tables";
import { type Coverable, fullName, type TableName } from "./publication";

/** What an old row in the write-ahead log consists of. */
export type ReplicaIdentity = "default" | "nothing" | "full" | "index";

export interface SourceTable extends Coverable {
  readonly owner: string;
  /** The owner's DDL leaves a mark (ddl-trigger.ts). */
  readonly ownerMayMark: boolean;
  /** The current user may ALTER it. */
  readonly mayAlter: boolean;
  /** A partitioned parent: it has no rows, and its identity is never used. */
  readonly partitioned: boolean;
  /** Belongs to an extension, which alone decides about it. */
  readonly extension: boolean;
  readonly identity: ReplicaIdentity;
  /** One that can tell a row: a DEFERRABLE key is no replica identity. */
  readonly hasPrimaryKey: boolean;
  /** The index of `REPLICA IDENTITY USING INDEX` is still there. */
  readonly hasIdentityIndex: boolean;
  readonly hasStoredGenerated: boolean;
  /** Only PostgreSQL 18 and later have them. */
  readonly hasVirtualGenerated: boolean;
  /** The key in use has a stored generated column. */
  readonly keyHasGenerated: boolean;
}

/** The tables of all but the system's and the worker's own schemas. */
export async function readTables(client: ClientBase): Promise<SourceTable[]> {
  const { rows } = await client.query<SourceTable>(TABLES);
  return rows;
}

/** Names of the schemas that tables can be in. */
export async function readSchemas(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(SCHEMAS);
  return rows.map((row) => row.name);
}

export interface Tracking {
  readonly trackTables: TablePatterns;
  /** `changes` lives in this very database, in the schema public. */
  readonly destinationIsSource?: boolean | undefined;
}

/** A partition is tracked by its own name and by its parents'. */
export function isTracked(table: SourceTable, tracking: Tracking): boolean {
  if (table.extension || isOwn(table, tracking)) return false;
  return tracks(tracking.trackTables, table, table.ancestors);
}

/** A table that the worker itself writes; never altered, it has a primary key. */
export function isOwn(table: SourceTable, tracking: Tracking): boolean {
  const own = (member: Omit<TableName, "oid">) =>
    member.schema === "public" &&
    (member.name === "changes" || member.name.startsWith("_bemi_"));
  return (
    tracking.destinationIsSource === true &&
    [table, ...table.ancestors].some(own)
  );
}

/** What a decision about one table's identity depends on beside the table. */
export interface Publishing {
  readonly versionNum: number;
  readonly covered: boolean;
  /** Publishes UPDATE or DELETE: only then can the server refuse them. */
  readonly publishesOldRows: boolean;
  readonly publishesStoredGenerated: boolean;
}

/**
 * The identity to set, or undefined to leave the table as it is. A covered table
 * without a usable one gets FULL whether tracked or not: the publication would
 * break its writes.
 */
export function identityToSet(
  table: SourceTable,
  tracked: boolean,
  publishing: Publishing,
): "full" | "default" | undefined {
  if (table.partitioned || table.unlogged) return undefined;
  if (!tracked && !publishing.covered) return undefined;
  if (fullWouldBreak(table, publishing)) {
    const unusable = table.identity === "full" || !hasUsableKey(table);
    return unusable && table.hasPrimaryKey ? "default" : undefined;
  }
  if (table.identity === "full") return undefined;
  return tracked || !hasUsableKey(table) ? "full" : undefined;
}

/**
 * Why the server refuses the application's UPDATE and DELETE once the table is
 * published; undefined when it does not.
 */
export function brokenBy(
  table: SourceTable,
  publishing: Publishing,
): string | undefined {
  const { covered, publishesOldRows } = publishing;
  if (!covered || !publishesOldRows || table.partitioned) return undefined;
  if (table.identity === "full") {
    return fullWouldBreak(table, publishing)
      ? "REPLICA IDENTITY FULL includes a generated column that is not published"
      : undefined;
  }
  if (!hasUsableKey(table)) return "it has no usable replica identity";
  const unpublishedKey =
    publishing.versionNum >= 180000 &&
    table.keyHasGenerated &&
    !publishing.publishesStoredGenerated;
  return unpublishedKey
    ? "its key has a generated column that is not published"
    : undefined;
}

/** 18 refuses FULL with unpublished generated columns; no earlier one does. */
function fullWouldBreak(table: SourceTable, publishing: Publishing): boolean {
  if (publishing.versionNum < 180000) return false;
  const storedUnpublished =
    publishing.covered &&
    table.hasStoredGenerated &&
    !publishing.publishesStoredGenerated;
  return table.hasVirtualGenerated || storedUnpublished;
}

function hasUsableKey(table: SourceTable): boolean {
  if (table.identity === "default") return table.hasPrimaryKey;
  return table.identity === "index" && table.hasIdentityIndex;
}

/** `schema.table`, for messages and logs. */
export function tableName(table: { schema: string; name: string }): string {
  return fullName(table.schema, table.name);
}

const USER_SCHEMAS = `n.nspname <> 'information_schema' AND n.nspname <> '_bemi' AND n.nspname !~ '^pg_'`;

const SCHEMAS = `SELECT n.nspname::text AS name FROM pg_catalog.pg_namespace n WHERE ${USER_SCHEMAS} ORDER BY 1`;

const TABLES = `
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name,
  pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
  (SELECT bool_and(pg_catalog.has_function_privilege(c.relowner, f.oid, 'EXECUTE'))
    FROM pg_catalog.pg_proc f WHERE f.proname = 'pg_logical_emit_message'
      AND f.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
      AND f.proargtypes[2] = 'pg_catalog.text'::pg_catalog.regtype) AS "ownerMayMark",
  pg_catalog.pg_has_role(c.relowner, 'USAGE') AS "mayAlter",
  c.relkind = 'p' AS partitioned,
  c.relpersistence = 'u' AS unlogged,
  EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.objid = c.oid AND d.deptype = 'e') AS extension,
  CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing'
    WHEN 'i' THEN 'index' ELSE 'default' END AS identity,
  COALESCE(keys.has_primary, false) AS "hasPrimaryKey",
  COALESCE(keys.has_identity, false) AS "hasIdentityIndex",
  COALESCE(keys.has_generated, false) AS "keyHasGenerated",
  COALESCE(generated.stored, false) AS "hasStoredGenerated",
  COALESCE(generated.virtual, false) AS "hasVirtualGenerated",
  COALESCE(parents.names, '[]') AS ancestors
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT bool_or(i.indisprimary) AS has_primary,
    bool_or(i.indisreplident) AS has_identity,
    bool_or(a.attgenerated <> '' AND CASE c.relreplident
      WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) AS has_generated
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_attribute a
    ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
) keys ON true
LEFT JOIN LATERAL (
  SELECT bool_or(a.attgenerated = 's') AS stored,
    bool_or(a.attgenerated = 'v') AS virtual
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) generated ON true
LEFT JOIN LATERAL (
  SELECT json_agg(json_build_object('oid', p.oid::bigint,
    'schema', s.nspname, 'name', p.relname)) AS names
  FROM pg_catalog.pg_partition_ancestors(c.oid) a
  JOIN pg_catalog.pg_class p ON p.oid = a.relid
  JOIN pg_catalog.pg_namespace s ON s.oid = p.relnamespace
  WHERE p.oid <> c.oid
) parents ON c.relispartition
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND ${USER_SCHEMAS}
ORDER BY 2, 3`;
