/**
 * Which tables are tracked (TRACK_TABLES). The publication is made from the
 * same patterns, as far as PostgreSQL can express them; what it sends too much
 * is filtered by `tracks`.
 */
import {
  isNeverTracked,
  type TablePattern,
  tablePatterns,
} from "../../config/named-patterns";
import { matchesPart } from "../../config/patterns";
import { ConfigurationError } from "../errors";

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
  const { includes, excludes, problems } = tablePatterns(text);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return { includes: includes.length > 0 ? includes : [everyPublic], excludes };
}

const everyPublic: TablePattern = {
  schema: { text: "public", wildcard: false },
  table: { text: "*", wildcard: true },
};

/** A table by its names; `name` as everywhere in the catalogue. */
export interface NamedTable {
  readonly schema: string;
  readonly name: string;
}

/**
 * Whether changes of this table are recorded. A partition belongs to its
 * ancestors: naming one of them includes or excludes it.
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
