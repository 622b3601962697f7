/**
 * The tables at the destination, made and upgraded by numbered migrations. A
 * migration that has run is never edited; a change is a new number.
 */
import type { Client } from "pg";
import { OperatorError } from "../errors";

/** Serialises the migrations of all workers on one destination. */
const ADVISORY_LOCK = "hashtext('_bemi_migrations')";

/**
 * What GIN may put off: the lists are merged every minute (index-upkeep.ts), and
 * by the writer itself when that is not enough.
 */
const PENDING_LIST_KIB = 128 * 1024;

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE public.changes (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    database text NOT NULL,
    schema text NOT NULL,
    "table" text NOT NULL,
    primary_key text,
    operation text NOT NULL,
    before jsonb NOT NULL DEFAULT '{}',
    after jsonb NOT NULL DEFAULT '{}',
    context jsonb NOT NULL DEFAULT '{}',
    committed_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL,
    transaction_id bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (id, committed_at)
  ) PARTITION BY RANGE (committed_at);

  CREATE INDEX changes_table_primary_key_idx ON public.changes ("table", primary_key);
  CREATE INDEX changes_committed_at_idx ON public.changes USING brin (committed_at);
  CREATE INDEX changes_operation_idx ON public.changes (operation);
  CREATE INDEX changes_context_idx ON public.changes USING gin (context jsonb_path_ops) WITH (gin_pending_list_limit = ${PENDING_LIST_KIB});

  CREATE TABLE public._bemi_watermarks (
    database_name text NOT NULL,
    slot_name text NOT NULL,
    system_identifier text NOT NULL,
    database_oid bigint NOT NULL,
    timeline bigint NOT NULL,
    commit_lsn pg_lsn NOT NULL,
    position pg_lsn NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    worker_pid integer,
    ordinal_version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (database_name, slot_name)
  );
  COMMENT ON COLUMN public._bemi_watermarks.commit_lsn IS
    'Commit record of the last source transaction whose rows are in changes';
  COMMENT ON COLUMN public._bemi_watermarks.position IS
    'The furthest that the source may have been told';
  COMMENT ON COLUMN public._bemi_watermarks.epoch IS
    'Raised by each worker that takes over; an older one can write no more';
  COMMENT ON COLUMN public._bemi_watermarks.worker_pid IS
    'Session of the worker that took over last, at this server';

  CREATE TABLE public._bemi_gaps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    database_name text NOT NULL,
    slot_name text NOT NULL,
    from_lsn pg_lsn NOT NULL,
    to_lsn pg_lsn NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL
  );
  `,
  `
  CREATE TABLE public._bemi_schema_changes (
    id uuid NOT NULL,
    position bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    database text NOT NULL,
    schema text,
    "table" text,
    command text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    context jsonb NOT NULL DEFAULT '{}',
    committed_at timestamptz NOT NULL,
    transaction_id bigint NOT NULL,
    PRIMARY KEY (id, position)
  );
  COMMENT ON COLUMN public._bemi_schema_changes.id IS
    'That of the next change of its transaction: changes with a smaller id came before';
  `,
  `
  ALTER TABLE public._bemi_watermarks
    ADD COLUMN id_offset bigint NOT NULL DEFAULT 0,
    ADD COLUMN drained_lsn pg_lsn,
    ADD COLUMN drained_at timestamptz;
  COMMENT ON COLUMN public._bemi_watermarks.id_offset IS
    'Added to commit positions in changes.id, so that a new server''s come after the former''s';
  COMMENT ON COLUMN public._bemi_watermarks.drained_lsn IS
    'The source had no commit up to here that is not stored; null since a worker ran';
  `,
];

/** Indexes that INDEX_VALUES switches, made while `changes` is still empty. */
const VALUE_INDEXES = `
  CREATE INDEX changes_before_idx ON public.changes USING gin (before jsonb_path_ops) WITH (gin_pending_list_limit = ${PENDING_LIST_KIB});
  CREATE INDEX changes_after_idx ON public.changes USING gin (after jsonb_path_ops) WITH (gin_pending_list_limit = ${PENDING_LIST_KIB});
`;

/**
 * Brings the destination to the newest version, in one transaction. Whether it
 * may is checked before (preflight-destination.ts); a table `changes` that is
 * not ours would end it without a trace.
 */
export async function migrate(
  client: Client,
  options: { readonly indexValues: boolean },
): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
    const done = await appliedMigrations(client);
    if (done < MIGRATIONS.length) {
      await client.query(
        "CREATE TABLE IF NOT EXISTS public._bemi_migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
      );
    }
    for (let version = done + 1; version <= MIGRATIONS.length; version++) {
      await client.query(MIGRATIONS[version - 1] as string);
      if (version === 1 && options.indexValues) {
        await client.query(VALUE_INDEXES);
      }
      await client.query(
        "INSERT INTO public._bemi_migrations (version) VALUES ($1)",
        [version],
      );
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

/**
 * Versions that have run.
 *
 * @throws OperatorError for more than this worker knows: a newer worker's.
 */
export async function appliedMigrations(client: Client): Promise<number> {
  const exists = await client.query(
    "SELECT to_regclass('public._bemi_migrations') IS NOT NULL AS yes",
  );
  if (!exists.rows[0].yes) return 0;
  const { rows } = await client.query(
    "SELECT coalesce(max(version), 0)::int AS version FROM public._bemi_migrations",
  );
  const version: number = rows[0].version;
  if (version > MIGRATIONS.length) {
    throw new OperatorError(
      `the destination is at schema version ${version}, this worker knows ${MIGRATIONS.length}`,
      "run the newer worker again, or restore the destination to the older version",
    );
  }
  return version;
}
