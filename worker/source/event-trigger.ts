/**
 * The event trigger that gives tables made or changed later a FULL replica
 * identity within the statement that makes them, so that the publication never
 * breaks their writes. It runs inside the customer's migrations, hence:
 *
 * - It touches only tables on which this very transaction already holds ACCESS
 *   EXCLUSIVE (those of the command, and partitions it attached or recursed
 *   to), so it never waits for a lock and never makes anybody wait for one.
 * - Any error becomes a WARNING; the migration goes on.
 * - It runs as the caller: who creates a table owns it, and SECURITY DEFINER
 *   would lend its owner's rights to every migration. Nobody needs a privilege
 *   on the schema for it: the server calls the function by its OID.
 *
 * A table of an extension is the extension's business, and altered only where
 * the publication would break its writes.
 *
 * It applies to what the publication covers, tracked or not: the publication's
 * kind decides whose writes can break, and it may not exist yet when the trigger
 * is made. TRACK_TABLES finer than that is the worker's filter.
 */
import { createHash } from "node:crypto";
import { escapeIdentifier, escapeLiteral } from "pg";
import type { Coverage, TableName } from "./publication";

export interface EventTriggerScope {
  readonly coverage: Coverage;
  /** Names of the coverage's single tables. */
  readonly tables: readonly Omit<TableName, "oid">[];
  /** `changes` and its companions in public are the worker's own. */
  readonly destinationIsSource: boolean;
  /** False for a publication that does not publish stored generated columns. */
  readonly publishesStoredGenerated: boolean;
  readonly versionNum: number;
}

/** The SQL that makes, or makes anew, the schema, the function and the trigger. */
export function eventTriggerStatements(
  publicationName: string,
  body: string,
): string[] {
  const names = eventTriggerNames(publicationName);
  const trigger = escapeIdentifier(names.trigger);
  const func = `_bemi.${escapeIdentifier(names.function)}`;
  const tags = EVENT_TRIGGER_TAGS.map((tag) => escapeLiteral(tag)).join(", ");
  return [
    "CREATE SCHEMA IF NOT EXISTS _bemi",
    `CREATE OR REPLACE FUNCTION ${func}() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $bemi$${body}$bemi$`,
    takeOver(func),
    `DROP EVENT TRIGGER IF EXISTS ${trigger}`,
    `CREATE EVENT TRIGGER ${trigger} ON ddl_command_end WHEN TAG IN (${tags}) EXECUTE FUNCTION ${func}()`,
  ];
}

/**
 * Replacing a function leaves it to its owner. Whoever may create in the schema
 * could have made one of this name before, and would run what he likes as each
 * role that makes a table, superusers included.
 */
export function takeOver(func: string): string {
  return `ALTER FUNCTION ${func}() OWNER TO CURRENT_USER`;
}

export const EVENT_TRIGGER_TAGS = [
  "CREATE TABLE",
  "CREATE TABLE AS",
  "SELECT INTO",
  "ALTER TABLE",
  "CREATE SCHEMA",
] as const;

/**
 * Bemi's own names for the publication `bemi`; one trigger per publication
 * otherwise, since shards of one database have different tables.
 */
export function eventTriggerNames(publicationName: string): {
  readonly trigger: string;
  readonly function: string;
} {
  const suffix = publicationName === "bemi" ? "" : `_${short(publicationName)}`;
  return {
    trigger: `_bemi_set_replica_identity_trigger${suffix}`,
    function: `set_replica_identity_func${suffix}`,
  };
}

/** The function's body; comparing it tells whether the trigger is up to date. */
export function eventTriggerBody(scope: EventTriggerScope): string {
  // 18 refuses FULL where a generated column is not published; virtual ones
  // never are. Before 18 there is no such rule and no virtual column.
  const kinds =
    scope.versionNum >= 180000 && !scope.publishesStoredGenerated
      ? "'v', 's'"
      : "'v'";
  return `
DECLARE
  target record;
BEGIN
  FOR target IN
    WITH RECURSIVE touched (id) AS (
      SELECT objid FROM pg_event_trigger_ddl_commands()
      WHERE classid = 'pg_class'::regclass
      UNION
      SELECT inhrelid FROM pg_inherits JOIN touched ON inhparent = id
    ), family (id, member) AS (
      SELECT id, id FROM touched
      UNION
      SELECT id, inhparent FROM family
      JOIN pg_class ON oid = member AND relispartition
      JOIN pg_inherits ON inhrelid = member
    ), named (id, schema_name, table_name) AS (
      SELECT id, nspname, relname FROM family
      JOIN pg_class c ON c.oid = member
      JOIN pg_namespace n ON n.oid = relnamespace
    )
    SELECT format('%I.%I', nspname, relname) AS name, unpublished, keyless,
      CASE WHEN NOT unpublished AND relreplident <> 'f' THEN 'FULL'
        WHEN unpublished AND relreplident IN ('f', 'n') THEN 'DEFAULT'
      END AS wanted
    FROM touched
    JOIN pg_class c ON c.oid = touched.id
    JOIN pg_namespace n ON n.oid = relnamespace
    CROSS JOIN LATERAL (SELECT
      EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid
        AND NOT attisdropped AND attgenerated IN (${kinds})) AS unpublished,
      NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid
        AND (indisprimary OR indisreplident) AND indimmediate) AS keyless,
      EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
        AND objid = c.oid AND deptype = 'e') AS extension
    ) columns
    WHERE relkind = 'r' AND relpersistence = 'p' AND nspname <> '_bemi'
      AND c.oid IN (SELECT relation FROM pg_locks
        WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted
          AND mode = 'AccessExclusiveLock' AND database =
            (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND (keyless OR NOT extension)
      AND (${covered(scope)})
      AND NOT (${own(scope)})
  LOOP
    IF target.unpublished AND target.keyless THEN
      RAISE WARNING 'bemi: % has a generated column that cannot be published and no primary key, or a deferrable one: its UPDATE and DELETE fail while it is published', target.name;
    END IF;
    BEGIN
      IF target.wanted IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY %s', target.name, target.wanted);
      END IF;
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'bemi: the replica identity of % was not set: %', target.name, SQLERRM;
    END;
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'bemi: replica identities were not set: %', SQLERRM;
END
`;
}

function covered({ coverage, tables }: EventTriggerScope): string {
  if (coverage.allTables) return "true";
  const conditions = [
    ...coverage.schemas.map((schema) => `schema_name = ${literal(schema)}`),
    ...tables.map(
      (table) =>
        `(schema_name = ${literal(table.schema)} AND table_name = ${literal(table.name)})`,
    ),
  ];
  if (conditions.length === 0) return "false";
  return `EXISTS (SELECT FROM named WHERE named.id = c.oid AND (${conditions.join(" OR ")}))`;
}

function own(scope: EventTriggerScope): string {
  if (!scope.destinationIsSource) return "false";
  return `EXISTS (SELECT FROM named WHERE named.id = c.oid AND schema_name = 'public' AND (table_name = 'changes' OR starts_with(table_name::text, '_bemi_')))`;
}

/** A name that holds the body's own quote would end it early. */
function literal(name: string): string {
  if (!name.includes("$bemi$")) return escapeLiteral(name);
  throw new Error(`a name must not hold "$bemi$": got ${JSON.stringify(name)}`);
}

/** Names have 63 bytes; two long publications must not share a trigger. */
function short(name: string): string {
  if (name.length <= 27) return name;
  return createHash("sha256").update(name).digest("hex").slice(0, 16);
}
