/**
 * The worker's own tables, when `changes` lives in the source database: each
 * row written would be a change to record.
 */
import type { Client } from "pg";
import type { TrailSource } from "../destination/watermark";
import type { NamedTable } from "../settings/tables";
import { readIdentity } from "../source/source-identity";

export type IsOwnTable = (
  oid: number,
  family: readonly NamedTable[],
) => boolean;

/** What `partitionOf` names: nobody else's, for no partition could be made. */
const PARTITION = /^changes_\d{4,}_\d{2}$/;

/**
 * Tells the destination's tables by OID when source and destination are one
 * database; never true otherwise. Partitions made since are told by their
 * parent, which is ours in a database where this worker writes, and when
 * retention dropped them before their writes were read, by their name.
 */
export async function ownTables(
  destination: Client,
  source: TrailSource,
): Promise<IsOwnTable> {
  if (!(await isSameDatabase(destination, source))) return () => false;
  const { rows } = await destination.query<{ oid: string }>(`
    SELECT relid::oid::text AS oid FROM pg_partition_tree('public.changes')
    UNION ALL
    SELECT c.oid::text FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace
       AND c.relname IN ('_bemi_watermarks', '_bemi_gaps', '_bemi_schema_changes', '_bemi_migrations')`);
  const own = new Set(rows.map(({ oid }) => Number(oid)));
  return (oid, family) =>
    own.has(oid) ||
    family.some(
      ({ schema, name }) =>
        schema === "public" && (name === "changes" || PARTITION.test(name)),
    );
}

async function isSameDatabase(
  destination: Client,
  source: TrailSource,
): Promise<boolean> {
  const { rows } = await destination.query<{ oid: string; name: string }>(
    "SELECT oid::text, datname AS name FROM pg_database WHERE datname = current_database()",
  );
  const [database] = rows;
  if (
    Number(database?.oid) !== source.databaseOid ||
    database?.name !== source.databaseName
  ) {
    return false;
  }
  const identity = await readIdentity(destination);
  // A server that hides its identity: same name and OID will have to do.
  return !identity || identity.systemIdentifier === source.systemIdentifier;
}
