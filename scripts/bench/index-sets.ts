/**
 * What the indexes of `changes` cost: the same finished rows, copied by the
 * server itself into empty tables that differ in nothing but their indexes.
 */
import type { Client } from "pg";
import { migrate } from "../../worker/destination/destination-schema";
import { mergePendingLists } from "../../worker/destination/index-upkeep";
import { ensurePartition } from "../../worker/destination/partitions";
import type { Cluster } from "../cluster";
import { exportChanges } from "./drain";

export const OWN_INDEX_SETS = ["default", "INDEX_VALUES=off"] as const;
export type IndexSet = (typeof OWN_INDEX_SETS)[number] | "Bemi's";

export interface IndexCost {
  readonly writingSeconds: number;
  /** What GIN's pending lists put off, done at once. */
  readonly mergingSeconds: number;
}

/** Copies the rows of `changes` into a database of its own with these indexes. */
export async function measureIndexSet(
  set: IndexSet,
  { stored, cluster }: { readonly stored: Client; readonly cluster: Cluster },
): Promise<IndexCost> {
  const file = await exportChanges(stored, cluster.dataFolder);
  const { rows } = await stored.query<{ month: number }>(
    "SELECT DISTINCT (extract(year FROM committed_at AT TIME ZONE 'UTC') * 12 + extract(month FROM committed_at AT TIME ZONE 'UTC') - 1)::int AS month FROM public.changes",
  );
  await cluster.createDatabase(DATABASE);
  const client = await cluster.client(DATABASE);
  try {
    if (set === "Bemi's") await client.query(BEMI);
    else {
      await migrate(client, { indexValues: set === "default" });
      for (const { month } of rows) await ensurePartition(client, month);
    }
    await client.query("CHECKPOINT");
    const writingSeconds = await seconds(() =>
      client.query(`COPY public.changes FROM '${file}' (FORMAT binary)`),
    );
    const mergingSeconds = await seconds(() =>
      set === "Bemi's" ? client.query(MERGE) : mergePendingLists(client),
    );
    return { writingSeconds, mergingSeconds };
  } finally {
    await client.end();
    await stored.query(`DROP DATABASE ${DATABASE} WITH (FORCE)`);
  }
}

const DATABASE = "bench_index_set";

/** The table and the indexes that Bemi's own destination has. */
const BEMI = `
  CREATE TABLE public.changes (
    id uuid PRIMARY KEY,
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
    position bigint NOT NULL
  );
  CREATE UNIQUE INDEX ON public.changes (position, "table", schema, database, operation);
  CREATE INDEX ON public.changes (committed_at);
  CREATE INDEX ON public.changes ("table");
  CREATE INDEX ON public.changes (primary_key);
  CREATE INDEX ON public.changes (operation);
  CREATE INDEX ON public.changes USING gin (before jsonb_path_ops);
  CREATE INDEX ON public.changes USING gin (after jsonb_path_ops);
  CREATE INDEX ON public.changes USING gin (context jsonb_path_ops);
`;

const MERGE = `
  SELECT gin_clean_pending_list(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
   WHERE a.amname = 'gin' AND i.indrelid = 'public.changes'::regclass`;

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
