/**
 * What the patterns of TRACK_TABLES and IGNORE_COLUMNS name. The worker parses
 * by these, and an environment file is refused by them, so that no pattern is
 * deployed which the worker would not start with.
 */
import { type Part, type Pattern, parsePatterns } from "./patterns";

export interface TablePattern {
  readonly schema: Part;
  readonly table: Part;
}

export interface ColumnPattern extends TablePattern {
  readonly column: Part;
}

/** Patterns, or what is wrong with the text: one of the two is empty. */
export interface NamedPatterns<T> {
  readonly includes: readonly T[];
  readonly excludes: readonly T[];
  readonly problems: readonly string[];
}

/** Of TRACK_TABLES. */
export function tablePatterns(text: string): NamedPatterns<TablePattern> {
  return named(text, tablePattern);
}

/** Of IGNORE_COLUMNS; there is nothing to exclude. */
export function columnPatterns(text: string): NamedPatterns<ColumnPattern> {
  if (text.trim() === "") return { includes: [], excludes: [], problems: [] };
  return named(text, columnPattern);
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

function named<T>(
  text: string,
  read: (pattern: Pattern) => T | string,
): NamedPatterns<T> {
  const { patterns, problems: syntaxProblems } = parsePatterns(text);
  const problems = [...syntaxProblems];
  const includes: T[] = [];
  const excludes: T[] = [];
  for (const pattern of patterns) {
    const result = read(pattern);
    if (typeof result === "string") problems.push(result);
    else (pattern.exclude ? excludes : includes).push(result);
  }
  if (problems.length > 0) return { includes: [], excludes: [], problems };
  return { includes, excludes, problems };
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
