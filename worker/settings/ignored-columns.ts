/**
 * Which columns do not count when an update is looked at (IGNORE_COLUMNS): an
 * update that changes nothing else is not recorded.
 */
import {
  type ColumnPattern,
  columnPatterns,
} from "../../config/named-patterns";
import { matchesPart } from "../../config/patterns";
import { ConfigurationError } from "../errors";

export type ColumnPatterns = readonly ColumnPattern[];

/**
 * Reads IGNORE_COLUMNS: `schema.table.column`, `table.column` in any schema,
 * or `column` in any table. Names are case-sensitive and never folded.
 *
 * @throws ConfigurationError with everything that is wrong, without the
 * variable's name.
 */
export function parseColumnPatterns(text: string): ColumnPatterns {
  const { includes, problems } = columnPatterns(text);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return includes;
}

/** Whether a change of this column alone is not worth a record. */
export function ignoresColumn(
  patterns: ColumnPatterns,
  schema: string,
  table: string,
  column: string,
): boolean {
  return patterns.some(
    (pattern) =>
      matchesPart(pattern.column, column) &&
      matchesPart(pattern.table, table) &&
      matchesPart(pattern.schema, schema),
  );
}
