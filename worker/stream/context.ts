/**
 * The application's context, out of a `_bemi` logical message. Anybody who may
 * call pg_logical_emit_message can send anything, so what is not a JSON
 * object becomes a marker: visible in the trail, counted, never fatal.
 */
import { isUtf8 } from "node:buffer";
import { jsonbRefusal } from "../row/storable-json";

/** Prefix of the messages that carry context; Bemi's packages send the same. */
export const CONTEXT_PREFIX = "_bemi";

/** A larger context is not stored: it would be repeated in every row. */
export const MAX_CONTEXT_BYTES = 1024 * 1024;

/** JSON for the column `context`, and why the message was not taken as sent. */
export interface Context {
  readonly json: Buffer;
  readonly invalid?: string;
}

/**
 * Reads a message's content. The JSON is a copy: the content is a view, and of
 * a larger one than can be stored only the beginning may be there.
 */
export function readContext(
  content: Buffer,
  contentBytes = content.length,
): Context {
  if (contentBytes > MAX_CONTEXT_BYTES) {
    return invalidContext("too large", contentBytes);
  }
  const problem = contextProblem(content);
  return problem
    ? invalidContext(problem, content.length)
    : { json: Buffer.from(content) };
}

function invalidContext(reason: string, bytes: number): Context {
  return {
    json: Buffer.from(JSON.stringify({ $invalid: reason, bytes })),
    invalid: reason,
  };
}

function contextProblem(content: Buffer): string | undefined {
  // A replaced byte is a falsified context. A byte-order mark stays, and then is
  // not JSON, as in PostgreSQL.
  if (!isUtf8(content)) return "not JSON";
  let value: unknown;
  try {
    value = JSON.parse(content.toString("utf8"));
  } catch {
    return "not JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "not an object";
  }
  switch (jsonbRefusal(content, 0, content.length)) {
    case "nul":
      return "holds \\u0000, which PostgreSQL cannot store";
    case "surrogate":
      return "holds half of a surrogate pair";
    case "number":
      return "holds a number outside PostgreSQL's range";
    case "depth":
      return "nested too deeply";
    default:
      return undefined;
  }
}
