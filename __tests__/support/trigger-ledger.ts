/**
 * What row triggers of the source saw, as the ledger that the trail is compared
 * with. Written in the transactions of the changes themselves, it has what was
 * committed and nothing else; a session alone writes it in the order of commits.
 */
import type { Client } from "pg";
import type { StoredChange } from "../../scripts/soak/comparison";
import { Ledger, type LedgerRow } from "../../scripts/soak/ledger";

/**
 * Makes a schema of its own, and from then on a trigger on every new table of
 * the schema public. A row is an object of its values' JSON as text, since a
 * number of JavaScript is not 1.50. That JSON is to_jsonb's, or the text of a
 * value whose type is of one's own (docs/architecture.md has the list), which
 * hstore knows of all columns of a row.
 */
export const LEDGER_SCHEMA = `
  CREATE EXTENSION IF NOT EXISTS hstore;
  CREATE SCHEMA ledger;
  -- Of an unlogged one no row is sent, which would have a number in its
  -- transaction where the publication is of all tables (PostgreSQL 14).
  CREATE UNLOGGED TABLE ledger.change (
    number bigserial, transaction_id bigint, "table" text, operation text,
    primary_key text, before jsonb, after jsonb);

  CREATE FUNCTION ledger.members(relation oid, forms jsonb, texts jsonb)
    RETURNS jsonb LANGUAGE sql AS $$
      SELECT jsonb_object_agg(attname, coalesce(CASE
          -- From here on OIDs are those of objects that somebody made.
          WHEN coalesce(nullif(typbasetype, 0), t.oid) >= 16384
            -- An array with bounds of its own.
            OR typcategory = 'A' AND texts ->> attname LIKE '[%'
          THEN to_jsonb(texts ->> attname)
          ELSE forms -> attname END, 'null')::text)
        FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_type t ON t.oid = atttypid
       WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped $$;

  CREATE FUNCTION ledger.note() RETURNS trigger LANGUAGE plpgsql
    -- As the worker's session has them.
    SET search_path = pg_catalog SET TimeZone = UTC SET DateStyle = ISO
    SET lc_monetary = 'C' AS $$
    DECLARE
      nothing jsonb := '{}';
      old_row jsonb := nothing;
      new_row jsonb := nothing;
    BEGIN
      IF TG_OP IN ('UPDATE', 'DELETE') THEN
        old_row := ledger.members(TG_RELID, to_jsonb(OLD), public.hstore_to_jsonb(public.hstore(OLD)));
      END IF;
      IF TG_OP IN ('INSERT', 'UPDATE') THEN
        new_row := ledger.members(TG_RELID, to_jsonb(NEW), public.hstore_to_jsonb(public.hstore(NEW)));
      END IF;
      INSERT INTO ledger.change (transaction_id, "table", operation, primary_key, before, after)
        VALUES (txid_current(), TG_TABLE_NAME, CASE TG_OP WHEN 'INSERT' THEN 'CREATE' ELSE TG_OP END,
          coalesce(new_row ->> 'id', old_row ->> 'id'), old_row, new_row);
      RETURN NULL;
    END $$;

  CREATE FUNCTION ledger.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE
      made text;
    BEGIN
      FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands()
                   WHERE object_type = 'table' AND schema_name = 'public' LOOP
        EXECUTE format('CREATE TRIGGER row_note AFTER INSERT OR UPDATE OR DELETE ON %s
          FOR EACH ROW EXECUTE FUNCTION ledger.note()', made);
        EXECUTE format('CREATE TRIGGER truncate_note AFTER TRUNCATE ON %s
          FOR EACH STATEMENT EXECUTE FUNCTION ledger.note()', made);
      END LOOP;
    END $$;
  CREATE EVENT TRIGGER ledger ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION ledger.watch();`;

/** All transactions of tables whose names begin with the writer's. */
export async function readTriggerLedger(
  source: Client,
  writer: string,
): Promise<Ledger> {
  const { rows } = await source.query<LedgerRow & { transaction: string }>(
    `SELECT transaction_id::text AS transaction, "table", operation,
            primary_key AS "primaryKey", before, after, '{}'::jsonb AS context
       FROM ledger.change ORDER BY number`,
  );
  const transactions = new Map<string, LedgerRow[]>();
  for (const { transaction, ...row } of rows) {
    const begun = transactions.get(transaction);
    if (begun) begun.push(row);
    else transactions.set(transaction, [row]);
  }
  const ledger = new Ledger();
  for (const [transaction, changes] of transactions) {
    ledger.transactions.push({
      writer,
      marker: Number(transaction),
      rows: changes,
      rowCount: changes.length,
      ...ANYWHERE,
    });
  }
  return ledger;
}

/** A trigger does not know where its transaction will be committed. */
const ANYWHERE = { notBefore: 0n, before: 2n ** 64n };

/** The trail in the ledger's form. */
export async function readMembers(
  destination: Client,
  writer: string,
): Promise<StoredChange[]> {
  const { rows } = await destination.query<StoredChange>(
    `SELECT id, "table", operation, primary_key AS "primaryKey", context,
            ${members("before")} AS before, ${members("after")} AS after
       FROM changes WHERE starts_with("table", $1) ORDER BY id`,
    [writer],
  );
  return rows;
}

function members(column: string): string {
  return `coalesce((SELECT jsonb_object_agg(key, value::text) FROM jsonb_each(${column})), '{}')`;
}
