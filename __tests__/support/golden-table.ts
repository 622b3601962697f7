/**
 * A table with a column of every type and one of its array, and the comparison
 * of what the trail has of its rows with what the server says of them.
 */
import type { Client } from "pg";
import { arrayLiterals, literal, type Samples } from "./golden-values";

export interface GoldenColumn {
  readonly name: string;
  readonly type: string;
  readonly isArray: boolean;
  /** SQL literals, one a row. */
  readonly values: readonly string[];
}

export function goldenColumns(samples: Samples): GoldenColumn[] {
  return Object.entries(samples).flatMap(([type, list], index) => [
    {
      name: `c${index}`,
      type,
      isArray: false,
      values: list.map((sample) => literal(sample, type)),
    },
    {
      name: `a${index}`,
      type: `${type}[]`,
      isArray: true,
      values: arrayLiterals(list, type),
    },
  ]);
}

/**
 * The table, and the same in the schema `ledger`, where nobody tracks it: with
 * each column's nth value in the row `id` = n, and a last row of nulls.
 */
export async function createGoldenTable(
  session: Client,
  columns: readonly GoldenColumn[],
): Promise<number> {
  const list = columns.map(({ name, type }) => `${name} ${type}`).join(", ");
  await session.query(
    `CREATE TABLE public.golden (id int PRIMARY KEY, ${list}); CREATE SCHEMA ledger; CREATE TABLE ledger.golden (LIKE public.golden)`,
  );
  const count = Math.max(...columns.map(({ values }) => values.length)) + 1;
  for (let id = 0; id < count; id++) {
    const row = columns.map(({ values }) => values[id] ?? "NULL").join(", ");
    await session.query(`INSERT INTO ledger.golden VALUES (${id}, ${row})`);
  }
  return count;
}

/**
 * to_jsonb makes arrays of these, which jsonb_populate_record cannot give back:
 * their lower bound is 0, and of arrays of them it says "expected JSON array".
 */
const VECTORS = ["int2vector", "oidvector", "int2vector[]", "oidvector[]"];

/**
 * What a column's JSON has to be: to_jsonb's, and its text where from to_jsonb's
 * form it could not be given back (docs/architecture.md has the same list).
 */
function expectedJson({ name, type, isArray }: GoldenColumn): string {
  const text = `to_jsonb(t.${name}::text)`;
  if (VECTORS.includes(type)) return text;
  const json = `server.json -> '${name}'`;
  // Lower bounds of its own.
  return isArray
    ? `CASE WHEN t.${name}::text LIKE '[%' THEN ${text} ELSE ${json} END`
    : json;
}

/**
 * The text that a row of it has: its type's output, which a cast to text is not
 * for xml. json has lost its white space and its duplicate keys in jsonb.
 */
function comparable(table: string, { name, type }: GoldenColumn): string {
  const value = `${table}.${name}`;
  if (type === "json") return `${value}::jsonb::text`;
  if (type === "json[]") return `${value}::jsonb[]::text`;
  return `ROW(${value})::text`;
}

/**
 * The columns of which `json` is not what it has to be (as text: 1.0 is not
 * 1.00), or does not give the row `id` of the ledger back.
 *
 * @param onlyBack of types that are text whatever to_jsonb makes of them
 */
export async function goldenDifferences(
  session: Client,
  columns: readonly GoldenColumn[],
  { id, json, onlyBack }: { id: number; json: string; onlyBack?: boolean },
): Promise<string[]> {
  const { rows } = await session.query<Record<string, boolean>>(
    `SELECT ${columns
      .map(
        (column) => `
          nullif($1::jsonb -> '${column.name}', 'null')::text
            IS NOT DISTINCT FROM nullif(${expectedJson(column)}, 'null')::text AS ${column.name}_json,
          $1::jsonb ? '${column.name}' AS ${column.name}_there,
          ${comparable("p", column)} IS NOT DISTINCT FROM ${comparable("t", column)} AS ${column.name}_back`,
      )
      .join(", ")}
       FROM ledger.golden t
      CROSS JOIN LATERAL (SELECT to_jsonb(t) AS json OFFSET 0) server
      CROSS JOIN LATERAL jsonb_populate_record(null::public.golden, $1) p
      WHERE t.id = $2`,
    [json, id],
  );
  const [row] = rows;
  if (!row) throw new Error(`the ledger has no row ${id}`);
  const kinds = onlyBack ? ["there", "back"] : ["json", "there", "back"];
  return columns.flatMap(({ name, type }) =>
    kinds.flatMap((kind) =>
      row[`${name}_${kind}`] ? [] : [`${type} (${kind}), row ${id}`],
    ),
  );
}
