/**
 * Whether `changes` is still as the worker made it. Whoever alters it finds out
 * at the next start, in one sentence, and not at some row.
 */
import type { Client } from "pg";
import type { Finding } from "../finding";

/** Name and type, in the order of the table. */
const COLUMNS: ReadonlyMap<string, string> = new Map([
  ["id", "uuid"],
  ["created_at", "timestamp with time zone"],
  ["database", "text"],
  ["schema", "text"],
  ["table", "text"],
  ["primary_key", "text"],
  ["operation", "text"],
  ["before", "jsonb"],
  ["after", "jsonb"],
  ["context", "jsonb"],
  ["committed_at", "timestamp with time zone"],
  ["queued_at", "timestamp with time zone"],
  ["transaction_id", "bigint"],
  ["position", "bigint"],
]);

/** Given by the table itself. */
const NOT_WRITTEN: ReadonlySet<string> = new Set(["created_at"]);

export interface ChangesTable {
  readonly isPartitioned: boolean;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    /** NOT NULL, and nothing that fills it. */
    readonly mustBeGiven: boolean;
    /** GENERATED, which takes no value. */
    readonly isGenerated: boolean;
  }[];
}

/** Undefined: there is no such table. */
export async function readChangesTable(
  client: Client,
): Promise<ChangesTable | undefined> {
  const { rows } = await client.query<ChangesTable>(`
    SELECT c.relkind = 'p' AS "isPartitioned",
      (SELECT coalesce(json_agg(json_build_object(
          'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
          'mustBeGiven', a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
          'isGenerated', a.attgenerated <> '') ORDER BY a.attnum), '[]')
         FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
      FROM pg_class c
     WHERE c.oid = to_regclass('public.changes')`);
  return rows[0];
}

/** Of a destination whose migrations have run. */
export function checkChangesTable(table: ChangesTable | undefined): Finding[] {
  const findings: Finding[] = [];
  const error = (code: string, message: string, remedy: string) =>
    findings.push({ code, severity: "error", message, remedy });
  if (!table?.isPartitioned) {
    error(
      "destination-table-gone",
      table
        ? "public.changes is no partitioned table any more"
        : "public.changes is gone, although this worker made it",
      "restore it, or, to begin a trail anew and for good without the old one: DROP TABLE IF EXISTS public.changes, public._bemi_watermarks, public._bemi_gaps, public._bemi_migrations; and drop the slot at the source",
    );
    return findings;
  }
  const found = new Map(table.columns.map((column) => [column.name, column]));
  for (const [name, type] of COLUMNS) {
    const column = found.get(name);
    if (!column) {
      error(
        "destination-column-missing",
        `public.changes has no column "${name}" any more`,
        `ALTER TABLE public.changes ADD COLUMN "${name}" ${type}; and, if it was not dropped but renamed, the other way round`,
      );
    } else if (column.type !== type) {
      error(
        "destination-column-type",
        `public.changes."${name}" is ${column.type}; ${type} is needed`,
        `ALTER TABLE public.changes ALTER COLUMN "${name}" TYPE ${type};`,
      );
    } else if (column.isGenerated) {
      error(
        "destination-column-generated",
        `public.changes."${name}" is generated and takes no value`,
        `ALTER TABLE public.changes ALTER COLUMN "${name}" DROP EXPRESSION;`,
      );
    }
  }
  for (const { name, mustBeGiven } of table.columns) {
    if (!mustBeGiven || (COLUMNS.has(name) && !NOT_WRITTEN.has(name))) continue;
    error(
      "destination-column-required",
      `public.changes."${name}" is NOT NULL and has no default, and the worker does not fill it`,
      `ALTER TABLE public.changes ALTER COLUMN "${name}" DROP NOT NULL; or give it a DEFAULT`,
    );
  }
  return findings;
}
