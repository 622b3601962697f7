/**
 * The SQL that takes away everything that `bemiUpSql` made, and nothing else:
 * the schema `_bemi` stays while the worker has functions there, and an event
 * trigger of the same name stays when it calls somebody else's function.
 */
/** For `this.addSql(bemiDownSql())` in a migration; a second time does nothing. */
export function bemiDownSql(): string {
  return DOWN;
}

const DOWN = `
DO $bemi$
DECLARE
  kept boolean := false;
  former_timeout text := pg_catalog.current_setting('lock_timeout');
BEGIN
  IF pg_catalog.to_regnamespace('_bemi') IS NULL THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = '_bemi_create_table_trigger'
      AND evtfoid = pg_catalog.to_regproc('_bemi.create_table_trigger_func')) THEN
    BEGIN
      DROP EVENT TRIGGER _bemi_create_table_trigger;
    EXCEPTION WHEN insufficient_privilege THEN
      kept := true;
      RAISE WARNING 'bemi: the event trigger stays and does nothing (%); as its owner: DROP EVENT TRIGGER _bemi_create_table_trigger; DROP FUNCTION _bemi.create_table_trigger_func(); DROP SCHEMA _bemi', SQLERRM;
    END;
  END IF;
  PERFORM pg_catalog.set_config('lock_timeout', '10s', true);
  DROP PROCEDURE IF EXISTS _bemi.create_triggers();
  DROP FUNCTION IF EXISTS _bemi.add_trigger(oid);
  -- Also the triggers on tables that belong to others by now.
  DROP FUNCTION IF EXISTS _bemi.stmt_trigger_func() CASCADE;
  PERFORM pg_catalog.set_config('lock_timeout', former_timeout, true);
  IF kept THEN
    RETURN;
  END IF;
  DROP FUNCTION IF EXISTS _bemi.create_table_trigger_func();
  BEGIN
    DROP SCHEMA _bemi;
  EXCEPTION
    WHEN dependent_objects_still_exist THEN
      REVOKE USAGE ON SCHEMA _bemi FROM PUBLIC;
    WHEN insufficient_privilege THEN
      NULL;
  END;
END
$bemi$;
`;
