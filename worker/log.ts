/**
 * JSON lines on stdout. Rows, contexts, keys and passwords never reach a log:
 * PostgreSQL's errors quote rows in `detail`, `where` and even `message`, so an
 * error is reported by its code and by names only.
 */
import { DatabaseError } from "pg";
import pino from "pino";
import { standardOutput } from "./standard-output";

export type Log = pino.Logger;

export function createLog(level: string): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    standardOutput,
  );
}

/** What may be said of an error. */
export function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof DatabaseError) {
    return {
      sqlState: error.code,
      severity: error.severity,
      routine: error.routine,
      ...(FUNCTION_ROUTINE.test(error.routine ?? "") ? {} : names(error)),
      ...(quotesData(error) ? {} : { message: error.message }),
    };
  }
  if (error instanceof Error) {
    const { name, message, code } = error as NodeJS.ErrnoException;
    return {
      name,
      message,
      ...(code ? { code } : {}),
      ...(error.cause ? { cause: describeError(error.cause) } : {}),
    };
  }
  return { message: "something that is not an Error was thrown" };
}

/** Where RAISE and its like come from, which may put anything for a name. */
const FUNCTION_ROUTINE = /^(exec_stmt_raise$|PLy_|plperl_|pltcl_)/;

function names({ schema, table, constraint, column }: DatabaseError) {
  return { schema, table, constraint, column };
}

/**
 * Messages of the classes 22 (data) and 23 (constraint) quote values, and one
 * with a context comes out of a function or a COPY: a trigger may say anything
 * under any code that it likes. The context of the decoding itself is harmless.
 */
function quotesData({ code, where }: DatabaseError): boolean {
  const isForeign = where !== undefined && !where.startsWith('slot "');
  return isForeign || /^(22|23|XX|P0)/.test(code ?? "22");
}
