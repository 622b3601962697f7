/**
 * Variables that look like one of the worker's and are none. A misspelt
 * DB_SSL_MODE would otherwise be a default that nobody chose.
 */
import { workerVariables } from "../../config/worker-variables";
import type { Environment } from "./variable-reader";

/** One sentence for each; names only, never a value. */
export function unknownVariables(env: Environment): string[] {
  return Object.entries(env)
    .filter(([name, value]) => value && !known.has(name))
    .flatMap(([name]) => {
      const near = nearest(name);
      if (near) return [`${name} is not a variable of the worker: ${near}?`];
      if (!ownPrefix.test(name) || openSsh.test(name)) return [];
      return [`${name} is not a variable of the worker; it is not used`];
    });
}

const known: ReadonlySet<string> = new Set(Object.keys(workerVariables));
const ownPrefix = /^(DEST_)?DB_|^SSH_/;

/** What a shell has when somebody has logged in by SSH. */
const openSsh =
  /^SSH_(CLIENT|CONNECTION|TTY|AUTH_SOCK|AGENT_PID|AGENT_LAUNCHER|ASKPASS.*|ORIGINAL_COMMAND|USER_AUTH|SK_.*)$/;

/** The variable that was probably meant. */
function nearest(name: string): string | undefined {
  if (openSsh.test(name)) return undefined;
  const written = bare(name);
  return [...known].find((candidate) => {
    const meant = bare(candidate);
    return (
      meant[0] === written[0] &&
      distance(meant, written) <= (meant.length < 8 ? 1 : 2)
    );
  });
}

function bare(name: string): string {
  return name.replaceAll("_", "").toUpperCase();
}

/** Levenshtein's: letters to add, remove or change. */
function distance(left: string, right: string): number {
  if (Math.abs(left.length - right.length) > 2) return 3;
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1;
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + same,
        ),
      );
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
