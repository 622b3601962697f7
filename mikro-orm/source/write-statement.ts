/** Whether SQL writes rows, by its first word; no parser, and no guess about functions. */

const WRITES = new Set([
  ...["insert", "update", "delete", "merge", "truncate", "copy"],
  // These may.
  ...["call", "do", "execute", "explain"],
]);

/** A word of these anywhere: at worst a comment goes along for nothing. */
const WRITE_WITHIN = /\b(?:insert|update|delete|merge)\b/i;
const WRITE_BEHIND_SEMICOLON =
  /;[\s(]*(?:insert|update|delete|merge|truncate|copy|call|do|execute|with)\b/i;

/**
 * True for INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY, for WITH around one of
 * them, for CALL, DO, EXECUTE and EXPLAIN, and for several statements of which one
 * is. Not for a SELECT whose function writes.
 */
export function writesRows(sql: string): boolean {
  const word = firstWord(sql);
  if (WRITES.has(word)) return true;
  if (word === "with") return WRITE_WITHIN.test(sql);
  return WRITE_BEHIND_SEMICOLON.test(sql);
}

/** In lower case, behind white space, comments and brackets. */
function firstWord(sql: string): string {
  let position = 0;
  for (;;) {
    while (/[\s(;]/.test(sql.charAt(position))) position += 1;
    if (sql.startsWith("--", position)) position = afterLine(sql, position);
    else if (sql.startsWith("/*", position))
      position = afterComment(sql, position);
    else break;
  }
  return (
    /^[a-z]*/i.exec(sql.slice(position, position + 10))?.[0].toLowerCase() ?? ""
  );
}

function afterLine(sql: string, start: number): number {
  const end = sql.indexOf("\n", start);
  return end < 0 ? sql.length : end + 1;
}

/** PostgreSQL's comments nest. */
function afterComment(sql: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(sql); mark; mark = marks.exec(sql)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}
