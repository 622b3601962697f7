/**
 * Which tables are tracked (TRACK_TABLES). The publication is made from the
 * same patterns, as far as PostgreSQL can express them; what it sends too much
 * is filtered by `tracks`.
 */
import { ConfigurationError } from "../errors";
import {
  matchesPart,
  type Part,
  type Pattern,
  parsePatterns,
} from "./patterns";

export interface TablePattern {
  readonly schema: Part;
  readonly table: Part;
}

/**
 * A table is tracked when one of `includes` matches and none of `excludes`.
 *
 * For the publication: an include whose schema is literal and whose table is
 * `*` is a whole schema; one with two literal parts is a single table; any
 * other has to be expanded from the catalogue.
 */
export interface TablePatterns {
  readonly includes: readonly TablePattern[];
  readonly excludes: readonly TablePattern[];
}

/**
 * Reads TRACK_TABLES. With excludes only, `public.*` is tracked except for
 * them. Names are case-sensitive and never folded, quoted or not: write
 * `public.Todo` for the table that SQL calls `"Todo"`.
 *
 * @throws ConfigurationError with everything that is wrong, without the
 * variable's name.
 */
export function parseTablePatterns(text: string): TablePatterns {
  const { patterns, problems: syntaxProblems } = parsePatterns(text);
  const problems = [...syntaxProblems];
  const includes: TablePattern[] = [];
  const excludes: TablePattern[] = [];
  for (const pattern of patterns) {
    const result = tablePattern(pattern);
    if (typeof result === "string") problems.push(result);
    else (pattern.exclude ? excludes : includes).push(result);
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  if (includes.length === 0) {
    includes.push({
      schema: { text: "public", wildcard: false },
      table: { text: "*", wildcard: true },
    });
  }
  return { includes, excludes };
}

/** A table by its names; `name` as everywhere in the catalogue. */
export interface NamedTable {
  readonly schema: string;
  readonly name: string;
}

/**
 * Whether changes of this table are recorded. A partition belongs to its
 * ancestors: naming one of them includes or excludes it (H52).
 */
export function tracks(
  patterns: TablePatterns,
  table: NamedTable,
  ancestors: readonly NamedTable[] = [],
): boolean {
  const family = [table, ...ancestors];
  const matches = ({ schema, table: part }: TablePattern) =>
    family.some(
      (member) =>
        matchesPart(schema, member.schema) && matchesPart(part, member.name),
    );
  return (
    !isNeverTracked(table.schema) &&
    patterns.includes.some(matches) &&
    !patterns.excludes.some(matches)
  );
}

/**
 * PostgreSQL's own schemas (every name that begins with `pg_` is reserved for
 * it) and the kit's: no pattern reaches them.
 */
export function isNeverTracked(schema: string): boolean {
  return (
    schema.startsWith("pg_") ||
    schema === "information_schema" ||
    schema === "_bemi"
  );
}

function tablePattern(pattern: Pattern): TablePattern | string {
  const [schema, table, ...more] = pattern.parts;
  if (!schema || !table || more.length > 0) {
    return `${pattern.source} is not schema.table; a table in the default schema is written public.table`;
  }
  if (!pattern.exclude && !schema.wildcard && isNeverTracked(schema.text)) {
    return `${pattern.source} is in a schema that is never tracked; remove it`;
  }
  return { schema, table };
}
