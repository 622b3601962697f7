/** The publication as it is on the server, with what it leaves out. */
import { type ClientBase, escapeLiteral } from "pg";
import type { Coverage } from "./publication";

export interface PublicationFacts extends Coverage {
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly truncate: boolean;
  readonly viaRoot: boolean;
  /** Publishes stored generated columns, which 18 brought. */
  readonly storedGenerated: boolean;
  /** `schema.table` of the members with WHERE (15 and later). */
  readonly rowFiltered: readonly string[];
  /** `schema.table` of the members with a column list (15 and later). */
  readonly columnListed: readonly string[];
}

export async function readPublication(
  client: ClientBase,
  name: string,
  versionNum: number,
): Promise<PublicationFacts | undefined> {
  const { rows } = await client.query<PublicationFacts>(
    publicationQuery(name, versionNum),
  );
  return rows[0];
}

/** Publications of schemas came with 15, and with them their catalogue. */
function publicationQuery(name: string, versionNum: number): string {
  const schemas =
    versionNum >= 150000
      ? `(SELECT json_agg(n.nspname) FROM pg_catalog.pg_publication_namespace m
    JOIN pg_catalog.pg_namespace n ON n.oid = m.pnnspid
    WHERE m.pnpubid = p.oid)`
      : "NULL::json";
  return `
SELECT p.puballtables AS "allTables", p.pubinsert AS insert,
  p.pubupdate AS update, p.pubdelete AS delete, p.pubtruncate AS truncate,
  p.pubviaroot AS "viaRoot",
  COALESCE(to_jsonb(p)->>'pubgencols' = 's', false) AS "storedGenerated",
  COALESCE(${schemas}, '[]') AS schemas,
  COALESCE(members.oids, '[]') AS "tableOids",
  COALESCE(members.filtered, '[]') AS "rowFiltered",
  COALESCE(members.listed, '[]') AS "columnListed"
FROM pg_catalog.pg_publication p
LEFT JOIN LATERAL (
  SELECT json_agg(c.oid::bigint) AS oids,
    json_agg(n.nspname || '.' || c.relname)
      FILTER (WHERE to_jsonb(m)->>'prqual' IS NOT NULL) AS filtered,
    json_agg(n.nspname || '.' || c.relname)
      FILTER (WHERE to_jsonb(m)->>'prattrs' IS NOT NULL) AS listed
  FROM pg_catalog.pg_publication_rel m
  JOIN pg_catalog.pg_class c ON c.oid = m.prrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE m.prpubid = p.oid
) members ON true
WHERE p.pubname = ${escapeLiteral(name)}`;
}
