/**
 * The pattern language that TRACK_TABLES and IGNORE_COLUMNS share: comma-
 * separated dotted names, `*` as wildcard, double quotes around a part that
 * has dots, commas, quotes, spaces or a literal star in it.
 */

/** One part of a dotted name. */
export interface Part {
  /** The name without its quotes, or the pattern with its stars. */
  readonly text: string;
  /** An unquoted part with a `*` in it. */
  readonly wildcard: boolean;
}

export interface Pattern {
  /** As it was written, for messages. */
  readonly source: string;
  /** A `!` stood before it. */
  readonly exclude: boolean;
  readonly parts: readonly Part[];
}

/** Reads a list; everything that is wrong with it is in `problems`. */
export function parsePatterns(text: string): {
  readonly patterns: readonly Pattern[];
  readonly problems: readonly string[];
} {
  const patterns: Pattern[] = [];
  const problems: string[] = [];
  for (const piece of splitOutsideQuotes(text, ",")) {
    const source = piece.trim();
    const exclude = source.startsWith("!");
    const name = exclude ? source.slice(1).trim() : source;
    if (name === "") {
      problems.push(
        "a pattern is empty; is there a comma or an exclamation mark too many?",
      );
      continue;
    }
    const parts = splitOutsideQuotes(name, ".").map(parsePart);
    if (parts.every((part) => part !== undefined)) {
      patterns.push({ source, exclude, parts });
    } else {
      problems.push(
        `${source} is not a pattern: put names with dots, commas, quotes, spaces or exclamation marks in double quotes, and double a quote inside`,
      );
    }
  }
  return { patterns, problems };
}

/**
 * Unquoted names are case-sensitive too: they are compared with the catalogue
 * as they are, not folded to lower case as SQL would.
 */
export function matchesPart(part: Part, name: string): boolean {
  if (!part.wildcard) return part.text === name;
  const [prefix = "", ...rest] = part.text.split("*");
  const suffix = rest.pop() ?? "";
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return false;
  let position = prefix.length;
  for (const middle of rest) {
    const found = name.indexOf(middle, position);
    if (found < 0) return false;
    position = found + middle.length;
  }
  return position <= name.length - suffix.length;
}

function parsePart(text: string): Part | undefined {
  const quoted = /^"((?:[^"]|"")+)"$/.exec(text)?.[1];
  if (quoted !== undefined) {
    return { text: quoted.replaceAll('""', '"'), wildcard: false };
  }
  if (!/^[^\s"!]+$/.test(text)) return undefined;
  return { text, wildcard: text.includes("*") };
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const pieces: string[] = [];
  let quoted = false;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '"') quoted = !quoted;
    if (text[index] === separator && !quoted) {
      pieces.push(text.slice(start, index));
      start = index + 1;
    }
  }
  pieces.push(text.slice(start));
  return pieces;
}
