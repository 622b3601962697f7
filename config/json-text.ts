/**
 * JSON as people write it. `JSON.parse` takes the last of two equal keys
 * without a word, and a `__proto__` for a key like any other; both would make
 * a deployment of what nobody meant.
 */
import { type Problem, pathOf } from "./problem";

export interface JsonText {
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

/** Of a file's text, with or without a byte order mark. */
export function readJson(text: string): JsonText {
  const body = text.replace(/^\uFEFF/, "");
  if (/[\0\uFFFD]/.test(body)) {
    return failed("not UTF-8 text: save the file as UTF-8");
  }
  if (body.trim() === "") {
    return failed("empty: npm run init -- <env> writes a first one");
  }
  try {
    return { value: JSON.parse(body), problems: keyProblems(body) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return failed(`not JSON: ${withLine(message, body)}`);
  }
}

function failed(message: string): JsonText {
  return { value: undefined, problems: [{ path: "", message }] };
}

/** Node says the position in characters; an editor goes to a line. */
function withLine(message: string, text: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position === undefined) return message;
  const before = text.slice(0, Number(position)).split("\n");
  const reason = message.slice(0, message.indexOf(" in JSON at position"));
  return `${reason} in line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}; comments and trailing commas are not JSON`;
}

/** What is open at a place of the text. */
interface Level {
  /** Undefined in an array. */
  readonly keys?: Set<string>;
  /** Where in it the reader is: a key, or an index. */
  place: string | number;
}

/** Of a text that is JSON: strings, and what opens and closes, are enough. */
function keyProblems(text: string): Problem[] {
  const problems: Problem[] = [];
  const levels: Level[] = [];
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    const level = levels.at(-1);
    if (token === "{") levels.push({ keys: new Set(), place: "" });
    else if (token === "[") levels.push({ place: 0 });
    else if (token === "}" || token === "]") levels.pop();
    else if (token === ",") {
      if (typeof level?.place === "number") level.place += 1;
    } else if (level?.keys && isKey(text, index + token.length)) {
      const key = String(JSON.parse(token));
      level.place = key;
      const path = pathOf(levels.map(({ place }) => place));
      if (level.keys.has(key)) {
        problems.push({ path, message: "given twice: remove one of them" });
      }
      if (key === "__proto__") {
        problems.push({ path, message: "unknown field: remove it" });
      }
      level.keys.add(key);
    }
  }
  return problems;
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

function isKey(text: string, end: number): boolean {
  return /^\s*:/.test(text.slice(end, end + 100));
}
