/** Text that is safe to run, whatever the values are and the session's settings. */

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * A string literal that means the same whether `standard_conforming_strings` is
 * on or off: E'' where there is a backslash, which it cannot mean otherwise.
 */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return quoted.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/** A tag for dollar quotes that `body` does not have. */
export function dollarTag(body: string): string {
  let tag = "$undo$";
  for (let n = 1; body.includes(tag); n += 1) tag = `$undo_${n}$`;
  return tag;
}
