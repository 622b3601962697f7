/** Whether SQL writes rows, by its first word; no parser, and no guess about functions. */

const WRITES = new Set([
  ...["insert", "update", "delete", "merge", "truncate", "copy"],
  // These may.
  ...["call", "do", "execute", "explain"],
]);

/** A word of these anywhere: at worst a comment goes along for nothing. */
const WRITE_WITHIN = /\b(?:insert|update|delete|merge)\b/i;
/**
 * True for INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY, for WITH around one of
 * them, for CALL, DO, EXECUTE and EXPLAIN, and for several statements of which one
 * is. Not for a SELECT whose function writes.
 */
export function writesRows(sql: string): boolean {
  const first = beginning(sql, 0);
  const word = wordAt(sql, first);
  if (WRITES.has(word)) return true;
  if (word === "with") return WRITE_WITHIN.test(sql);
  return writesBehindSemicolon(sql, first);
}

/** One within a string or a comment counts as well: at worst as above. */
function writesBehindSemicolon(sql: string, start: number): boolean {
  let semicolon = sql.indexOf(";", start);
  while (semicolon >= 0) {
    const position = beginning(sql, semicolon);
    const word = wordAt(sql, position);
    if (WRITES.has(word) || word === "with") return true;
    semicolon = sql.indexOf(";", position);
  }
  return false;
}

/** Behind white space, semicolons, comments and brackets. */
function beginning(sql: string, start: number): number {
  let position = start;
  for (;;) {
    while (/[\s(;]/.test(sql.charAt(position))) position += 1;
    if (sql.startsWith("--", position)) position = afterLine(sql, position);
    else if (sql.startsWith("/*", position))
      position = afterComment(sql, position);
    else return position;
  }
}

/** In lower case. */
function wordAt(sql: string, position: number): string {
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
