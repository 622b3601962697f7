/**
 * Which columns do not count when an update is looked at (IGNORE_COLUMNS): an
 * update that changes nothing else is not recorded.
 */
import { ConfigurationError } from "../errors";
import {
  matchesPart,
  type Part,
  type Pattern,
  parsePatterns,
} from "./patterns";

export interface ColumnPattern {
  readonly schema: Part;
  readonly table: Part;
  readonly column: Part;
}

export type ColumnPatterns = readonly ColumnPattern[];

/**
 * Reads IGNORE_COLUMNS: `schema.table.column`, `table.column` in any schema,
 * or `column` in any table. Names are case-sensitive and never folded.
 *
 * @throws ConfigurationError with everything that is wrong, without the
 * variable's name.
 */
export function parseColumnPatterns(text: string): ColumnPatterns {
  if (text.trim() === "") return [];
  const { patterns, problems: syntaxProblems } = parsePatterns(text);
  const problems = [...syntaxProblems];
  const columns: ColumnPattern[] = [];
  for (const pattern of patterns) {
    const result = columnPattern(pattern);
    if (typeof result === "string") problems.push(result);
    else columns.push(result);
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return columns;
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

const any: Part = { text: "*", wildcard: true };

function columnPattern(pattern: Pattern): ColumnPattern | string {
  if (pattern.exclude) {
    return `${pattern.source} cannot be excluded; only patterns of columns to ignore are given here`;
  }
  // The last part is always the column; what stands before it may be left out.
  const [column, table = any, schema = any, ...more] =
    pattern.parts.toReversed();
  if (!column || more.length > 0) {
    return `${pattern.source} is not schema.table.column, table.column or column`;
  }
  return { schema, table, column };
}
