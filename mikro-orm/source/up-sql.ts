/**
 * The SQL of the migration: a trigger on every table that hands the context of
 * the statement's comment to the write-ahead log, once for each statement that a
 * client sends, and an event trigger that gives it to tables made later.
 *
 * Once, because an upsert fires it twice, a MERGE three times, and a function that
 * writes in a loop for ever. Not once a transaction: had somebody else written a
 * message in between, the rows that follow would count to that one.
 *
 * One trigger per statement rather than per row: a row trigger makes an UPDATE of
 * 100,000 rows 2.7 times as slow, and copies the whole SQL for every row.
 *
 * It runs in the customer's database, hence:
 *
 * - A table that belongs to somebody else, or that is locked for 2 s, three times
 *   over, is left out with a WARNING; nothing fails and nobody waits for longer.
 * - CREATE TABLE never fails because of it, whoever runs it and with whatever
 *   search_path. Names are quoted, functions qualified.
 * - Everything is in the schema `_bemi`, which the worker uses as well, under
 *   other names. Where somebody else than a superuser owns it a superuser's
 *   tables get no triggers that call into it: the owner could replace them.
 * - The trigger's function runs with its owner's right to
 *   pg_logical_emit_message, which a hardened database takes from PUBLIC.
 */

export const STATEMENT_TRIGGER = "_bemi_stmt_trigger";

/**
 * For `this.addSql(bemiUpSql())` in a migration. Running it again brings
 * everything up to date; it replaces the triggers of other Bemi packages, whose
 * comments it reads as well.
 */
export function bemiUpSql(): string {
  return UP;
}

/** Which tables: ordinary and partitioned ones that the log has, but the kit's. */
const TRACKABLE = `
    k.relkind IN ('r', 'p') AND k.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', '_bemi')
    AND NOT (n.nspname = 'public' AND starts_with(k.relname::text, '_bemi_'))
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = k.oid AND d.deptype = 'e')`;

/** Of a row of pg_roles; on Amazon RDS a role of theirs stands for the superuser. */
const IS_SUPERUSER = `(r.rolsuper OR coalesce(
      pg_catalog.pg_has_role(r.oid, pg_catalog.to_regrole('rds_superuser'), 'MEMBER'), false))`;

const UP = `
DO $bemi$
DECLARE
  owner oid := (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = '_bemi');
  routine regprocedure;
BEGIN
  IF owner IS NULL THEN
    CREATE SCHEMA _bemi;
  ELSIF NOT pg_catalog.has_schema_privilege('_bemi', 'CREATE')
    OR NOT pg_catalog.has_schema_privilege('_bemi', 'USAGE') THEN
    RAISE EXCEPTION 'bemi: % may not create functions in the schema _bemi', current_user
      USING ERRCODE = 'insufficient_privilege',
        HINT = pg_catalog.format('As %s: GRANT USAGE, CREATE ON SCHEMA _bemi TO %I', owner::regrole, current_user);
  ELSIF (SELECT ${IS_SUPERUSER} FROM pg_catalog.pg_roles r WHERE rolname = current_user)
    AND NOT (SELECT ${IS_SUPERUSER} FROM pg_catalog.pg_roles r WHERE oid = owner) THEN
    RAISE EXCEPTION 'bemi: the schema _bemi belongs to %, which is no superuser and could replace what a superuser would run', owner::regrole
      USING ERRCODE = 'insufficient_privilege',
        HINT = pg_catalog.format('Run this as %s, or first: ALTER SCHEMA _bemi OWNER TO %I', owner::regrole, current_user);
  END IF;
  IF pg_catalog.pg_has_role(current_user,
      (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = '_bemi'), 'USAGE') THEN
    -- Who creates a table runs the event trigger with its own rights.
    GRANT USAGE ON SCHEMA _bemi TO PUBLIC;
  END IF;
  -- The trigger's function has these rights, and would fail each write without.
  SELECT p.oid INTO routine FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = 'pg_logical_emit_message'
      AND p.proargtypes[1] = 'text'::regtype AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE');
  IF FOUND THEN
    RAISE EXCEPTION 'bemi: % may not write messages to the log', current_user
      USING ERRCODE = 'insufficient_privilege',
        HINT = pg_catalog.format('As a superuser: GRANT EXECUTE ON FUNCTION %s TO %I', routine, current_user);
  END IF;
  -- Replacing a function leaves it to its owner.
  FOR routine IN SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = '_bemi'::regnamespace
      AND p.proname IN ('stmt_trigger_func', 'add_trigger', 'create_triggers', 'create_table_trigger_func')
      AND p.proowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
  LOOP
    EXECUTE pg_catalog.format('ALTER ROUTINE %s OWNER TO %I', routine, current_user);
  END LOOP;
END
$bemi$;

CREATE OR REPLACE FUNCTION _bemi.stmt_trigger_func() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bemi$
DECLARE
  sql text;
  closing int;
  tail text;
  context text;
  -- Of what the client sent: all that this writes has the same comment. As whole
  -- microseconds, which no setting of the session writes otherwise.
  mark text := (date_part('epoch', statement_timestamp()) * 1000000)::bigint::text;
BEGIN
  IF mark = current_setting('bemi.emitted', true) THEN
    RETURN NULL;
  END IF;
  sql := current_query();
  -- Only a comment at the very beginning or end: one within is somebody's value.
  IF left(sql, 7) = '/*Bemi ' THEN
    closing := strpos(sql, ' Bemi*/');
    IF closing > 7 THEN
      context := substr(sql, 8, closing - 8);
    END IF;
  ELSE
    -- Of other Bemi packages. Trimming all of a large statement would need many
    -- times its memory.
    tail := rtrim(right(sql, 100), E' \\t\\r\\n;');
    IF right(tail, 7) = ' Bemi*/' THEN
      sql := left(sql, -(least(length(sql), 100) - length(tail) + 7));
      IF strpos(sql, '/*Bemi ') > 0 THEN
        context := split_part(sql, '/*Bemi ', -1);
      END IF;
    END IF;
  END IF;
  IF left(context, 1) = '{' THEN
    PERFORM pg_logical_emit_message(true, '_bemi', context);
    -- Undone with the transaction, or with the savepoint, as the message is.
    PERFORM set_config('bemi.emitted', mark, true);
  END IF;
  RETURN NULL;
END
$bemi$;

CREATE OR REPLACE FUNCTION _bemi.add_trigger(rel oid) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bemi$
DECLARE
  target record;
  former text;
BEGIN
  SELECT k.oid, format('%I.%I', n.nspname, k.relname) AS name, k.relowner,
    pg_has_role(current_user, k.relowner, 'USAGE') AS owned,
    EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = k.oid
      AND t.tgname = '${STATEMENT_TRIGGER}') AS present,
    -- Of other Bemi packages: one message for every row.
    ARRAY(SELECT format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, k.relname)
      FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
      WHERE t.tgrelid = k.oid AND NOT t.tgisinternal AND t.tgparentid = 0
        AND f.proname = '_bemi_row_trigger_func'
        AND starts_with(t.tgname::text, '_bemi_row_trigger_')) AS former
  INTO target
  FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace
  WHERE k.oid = rel AND ${TRACKABLE.trim()};
  IF NOT FOUND OR target.present AND target.former = '{}' THEN
    RETURN true;
  END IF;
  IF NOT target.owned THEN
    RAISE WARNING 'bemi: changes of % have no context, it belongs to %', target.name, target.relowner::regrole;
    RETURN true;
  END IF;
  BEGIN
    EXECUTE format('LOCK TABLE ONLY %s IN %s MODE', target.name,
      CASE WHEN target.former = '{}' THEN 'SHARE ROW EXCLUSIVE' ELSE 'ACCESS EXCLUSIVE' END);
  EXCEPTION
    WHEN undefined_table OR invalid_schema_name THEN RETURN true;
    WHEN lock_not_available OR deadlock_detected THEN RETURN false;
  END;
  FOREACH former IN ARRAY target.former LOOP
    EXECUTE former;
  END LOOP;
  IF NOT target.present THEN
    EXECUTE format('CREATE TRIGGER ${STATEMENT_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION _bemi.stmt_trigger_func()', target.name);
  END IF;
  RETURN true;
END
$bemi$;

CREATE OR REPLACE PROCEDURE _bemi.create_triggers()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $bemi$
DECLARE
  waiting oid[] := ARRAY(SELECT k.oid FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace
    WHERE ${TRACKABLE.trim()} ORDER BY k.oid);
  locked oid[];
  rel oid;
BEGIN
  FOR round IN 1..3 LOOP
    locked := '{}';
    FOREACH rel IN ARRAY waiting LOOP
      IF NOT _bemi.add_trigger(rel) THEN
        locked := locked || rel;
      END IF;
    END LOOP;
    waiting := locked;
  END LOOP;
  FOREACH rel IN ARRAY waiting LOOP
    RAISE WARNING 'bemi: changes of % have no context, it was locked; later run: CALL _bemi.create_triggers()', rel::regclass;
  END LOOP;
END
$bemi$;

CREATE OR REPLACE FUNCTION _bemi.create_table_trigger_func() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $bemi$
DECLARE
  rel oid;
BEGIN
  FOR rel IN SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands()
    WHERE classid = 'pg_class'::regclass AND object_type = 'table' AND NOT in_extension
  LOOP
    PERFORM _bemi.add_trigger(rel);
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'bemi: changes of the new table have no context: %', SQLERRM;
END
$bemi$;

-- Who creates a table gives it the trigger, also where new functions are not PUBLIC's.
GRANT EXECUTE ON FUNCTION _bemi.add_trigger(oid), _bemi.stmt_trigger_func() TO PUBLIC;

CALL _bemi.create_triggers();

DO $bemi$
BEGIN
  DROP EVENT TRIGGER IF EXISTS _bemi_create_table_trigger;
  CREATE EVENT TRIGGER _bemi_create_table_trigger ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA')
    EXECUTE FUNCTION _bemi.create_table_trigger_func();
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'bemi: no event trigger for new tables (%); after adding tables run: CALL _bemi.create_triggers()', SQLERRM;
END
$bemi$;
`;
