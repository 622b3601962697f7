/**
 * The event triggers that leave a mark in the log where tables are made, changed
 * or dropped: DDL moves and destroys rows without an event. Each mark is a
 * transactional logical message, so that it stands between the rows that came
 * before and after, and is taken back with what it tells of.
 *
 * One set serves every slot of the database: all of them read the same prefix,
 * and each worker stores what concerns its tables. What the publications cover
 * is not asked here: of a dropped table the catalogue no longer knows it, and a
 * mark is small beside what the catalogue itself writes for a table.
 *
 * It runs inside the customer's migrations, hence:
 *
 * - It reads catalogues and takes no lock.
 * - Any error becomes a WARNING; the migration goes on.
 * - It runs as the caller. Where EXECUTE on pg_logical_emit_message was taken
 *   from PUBLIC, a role without it leaves no mark: a line in the server's log,
 *   and nothing in the migration's output.
 * - The mark is made outside the block that catches errors: a subtransaction
 *   that writes gets an id of its own, and a migration of many statements would
 *   go beyond the 64 that a session has room for in shared memory.
 */
import { escapeIdentifier, escapeLiteral } from "pg";
import { takeOver } from "./event-trigger";

/** Prefix of the messages. */
export const DDL_PREFIX = "_bemi_ddl";

export interface DdlTrigger {
  readonly name: string;
  readonly event: "ddl_command_end" | "sql_drop" | "table_rewrite";
  /** Empty: every command. */
  readonly tags: readonly string[];
}

/** Columns and tables go with many commands (DROP TYPE … CASCADE): no tags. */
export const DDL_TRIGGERS: readonly DdlTrigger[] = [
  {
    name: "_bemi_ddl_trigger",
    event: "ddl_command_end",
    tags: [
      "CREATE TABLE",
      "CREATE TABLE AS",
      "SELECT INTO",
      "ALTER TABLE",
      "CREATE SCHEMA",
      "ALTER SCHEMA",
      "CREATE PUBLICATION",
      "ALTER PUBLICATION",
    ],
  },
  { name: "_bemi_ddl_drop_trigger", event: "sql_drop", tags: [] },
  { name: "_bemi_ddl_rewrite_trigger", event: "table_rewrite", tags: [] },
];

/** The SQL that makes, or makes anew, the schema, the function, the triggers. */
export function ddlTriggerStatements(): string[] {
  return [
    "CREATE SCHEMA IF NOT EXISTS _bemi",
    `CREATE OR REPLACE FUNCTION _bemi.ddl_func() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $bemi$${DDL_TRIGGER_BODY}$bemi$`,
    takeOver("_bemi.ddl_func"),
    ...DDL_TRIGGERS.flatMap(({ name, event, tags }) => {
      const list = tags.map((tag) => escapeLiteral(tag)).join(", ");
      const filter = list ? ` WHEN TAG IN (${list})` : "";
      return [
        `DROP EVENT TRIGGER IF EXISTS ${escapeIdentifier(name)}`,
        `CREATE EVENT TRIGGER ${escapeIdentifier(name)} ON ${event}${filter} EXECUTE FUNCTION _bemi.ddl_func()`,
      ];
    }),
  ];
}

/** What a table is called: not the system's, not the kit's, not temporary. */
const OF_INTEREST = `CASE WHEN type LIKE 'table%'
      THEN names[1] !~ '^pg_' AND names[1] NOT IN ('information_schema', '_bemi')
      ELSE true END`;

const NAMES = `'type', type, 'oid', id::bigint,
        'schema', CASE WHEN type <> 'publication' THEN names[1] END,
        'table', CASE WHEN type LIKE 'table%' OR type = 'publication relation' THEN names[2] END,
        'column', CASE WHEN type = 'table column' THEN names[3] END,
        'publication', CASE WHEN type = 'publication' THEN names[1] ELSE args[1] END`;

const WHO = "'session_user', session_user, 'current_user', current_user";

/**
 * The function's body; comparing it tells whether the triggers are up to date.
 *
 * - Of a column that was renamed or dropped, the name; of a table, its columns
 *   as they are then, since what ALTER TABLE did is nowhere to be read.
 * - ATTACH and DETACH PARTITION name the parent alone, so its partitions go
 *   along, up to a thousand.
 * - The replica identities that the other trigger sets are no news.
 * - Reasons of a rewrite are bits; 8, another access method, came with 15. On 14
 *   nothing sets it.
 */
export const DDL_TRIGGER_BODY = `
DECLARE
  stack text;
  markers text[];
  marker text;
BEGIN
  BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    IF strpos(stack, '_bemi.set_replica_identity_func') > 0 THEN
      RETURN;
    END IF;
    IF TG_EVENT = 'ddl_command_end' THEN
      SELECT array_agg(json_strip_nulls(json_build_object(
        'command', command_tag, ${NAMES},
        'ancestors', CASE WHEN relispartition THEN
          (SELECT json_agg(json_build_object('schema', nspname, 'table', relname))
            FROM pg_partition_ancestors(id) a JOIN pg_class p ON p.oid = a.relid
            JOIN pg_namespace n ON n.oid = relnamespace WHERE p.oid <> id) END,
        'columns', CASE WHEN relkind IS NOT NULL THEN
          (SELECT json_object_agg(attname, format_type(atttypid, atttypmod) ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = id AND attnum > 0 AND NOT attisdropped) END,
        'partitions', CASE WHEN relkind = 'p' THEN
          (SELECT json_agg(json_build_object('schema', nspname, 'table', relname))
            FROM (SELECT inhrelid FROM pg_inherits WHERE inhparent = id LIMIT 1000) i
            JOIN pg_class p ON p.oid = inhrelid
            JOIN pg_namespace n ON n.oid = relnamespace) END,
        ${WHO}))::text ORDER BY place)
      INTO markers
      FROM (
        SELECT DISTINCT ON (classid, objid, objsubid) objid AS id, command_tag,
          address.type, object_names AS names, object_args AS args,
          relkind, relispartition, place
        FROM pg_event_trigger_ddl_commands() WITH ORDINALITY AS command (
          classid, objid, objsubid, command_tag, object_type, schema_name,
          object_identity, in_extension, command, place)
        CROSS JOIN LATERAL pg_identify_object_as_address(classid, objid, objsubid) address
        LEFT JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
        WHERE NOT in_extension AND CASE
          WHEN object_type IN ('table', 'table column')
            THEN relkind IN ('r', 'p') AND relpersistence = 'p'
          WHEN object_type = 'schema' THEN command_tag = 'ALTER SCHEMA'
          ELSE object_type LIKE 'publication%' END
        ORDER BY classid, objid, objsubid, place
      ) object
      WHERE ${OF_INTEREST};
    ELSIF TG_EVENT = 'sql_drop' THEN
      SELECT array_agg(json_strip_nulls(json_build_object(
        'command', TG_TAG, ${NAMES}, 'dropped', true,
        ${WHO}))::text ORDER BY place)
      INTO markers
      FROM (
        SELECT objid AS id, object_type AS type, address_names AS names,
          address_args AS args, place
        FROM pg_event_trigger_dropped_objects() WITH ORDINALITY AS object (
          classid, objid, objsubid, original, normal, is_temporary, object_type,
          schema_name, object_name, object_identity, address_names,
          address_args, place)
        WHERE NOT is_temporary AND (object_type IN ('table', 'table column', 'publication')
          OR original AND object_type LIKE 'publication %')
      ) object
      WHERE ${OF_INTEREST};
    ELSE
      SELECT ARRAY[json_strip_nulls(json_build_object(
        'command', TG_TAG, ${NAMES}, 'rewrite', (
          SELECT json_agg(word) FROM (VALUES (1, 'persistence'), (2, 'default'),
            (4, 'type'), (8, 'access method')) reason (bit, word)
          WHERE pg_event_trigger_table_rewrite_reason() & bit <> 0),
        ${WHO}))::text]
      INTO markers
      FROM (
        SELECT c.oid AS id, 'table' AS type, ARRAY[nspname, relname]::text[] AS names,
          '{}'::text[] AS args
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE c.oid = pg_event_trigger_table_rewrite_oid() AND relkind = 'r'
          AND (relpersistence = 'p' OR relpersistence = 'u'
            AND pg_event_trigger_table_rewrite_reason() & 1 <> 0)
      ) object
      WHERE ${OF_INTEREST};
    END IF;
    IF markers IS NOT NULL AND NOT (
      SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc
      WHERE proname = 'pg_logical_emit_message' AND proargtypes[2] = 'text'::regtype
        AND pronamespace = 'pg_catalog'::regnamespace) THEN
      RAISE LOG 'bemi: % left no mark in the trail: role % may not execute pg_logical_emit_message', TG_TAG, current_user;
      RETURN;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'bemi: % left no mark in the trail: %', TG_TAG, SQLERRM;
    RETURN;
  END;
  FOREACH marker IN ARRAY coalesce(markers, '{}') LOOP
    PERFORM pg_logical_emit_message(true, ${escapeLiteral(DDL_PREFIX)}, marker);
  END LOOP;
END
`;
