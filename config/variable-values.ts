/**
 * Which values a variable of the worker may have. The worker refuses to start
 * with others, and an environment file with others is refused at its load.
 */
import { isIP } from "node:net";
import { columnPatterns, tablePatterns } from "./named-patterns";
import { type WorkerVariableName, workerVariables } from "./worker-variables";

/**
 * What is allowed, in words, when `value` is not; undefined when it is. Of
 * keys, certificates, files and plain text nothing is known by their text.
 */
export function allowedInstead(
  name: WorkerVariableName,
  value: string,
): string | undefined {
  const variable = workerVariables[name];
  switch (variable.type) {
    case "name":
      return isName(value)
        ? undefined
        : "1 to 63 bytes without control characters";
    case "identifier":
      return /^[a-z0-9_]{1,63}$/.test(value)
        ? undefined
        : "1 to 63 of the characters a to z, 0 to 9 and _";
    case "host":
      return isHost(value)
        ? undefined
        : "a host name or an IP address, without scheme, user, port or brackets";
    case "integer":
      return allowedInteger(name, value);
    case "choice":
      return variable.choices?.includes(value)
        ? undefined
        : variable.choices?.join(", ");
    default:
      return undefined;
  }
}

/** What is wrong with a list of patterns, a sentence each. */
export function patternProblems(
  name: WorkerVariableName,
  value: string,
): readonly string[] {
  switch (workerVariables[name].type) {
    case "tablePatterns":
      return tablePatterns(value).problems;
    case "columnPatterns":
      return columnPatterns(value).problems;
    default:
      return [];
  }
}

/** PostgreSQL cuts a longer name, and means another by it. */
export function isName(text: string): boolean {
  return !/\p{Cc}/u.test(text) && Buffer.byteLength(text) <= 63;
}

function isHost(text: string): boolean {
  return /^[\p{L}\p{N}]([\p{L}\p{N}._-]{0,253})$/u.test(text) || isIP(text) > 0;
}

function allowedInteger(
  name: WorkerVariableName,
  text: string,
): string | undefined {
  const variable = workerVariables[name];
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER, unit } = variable;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  return value >= minimum && value <= maximum
    ? undefined
    : `a whole number${unit ? ` of ${unit}` : ""} from ${minimum} to ${maximum}, in digits`;
}
