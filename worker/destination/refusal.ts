/**
 * What the destination says when it takes a row for wrong, and what is told to
 * an operator when that cannot be got round.
 */
import { DatabaseError } from "pg";
import { OperatorError } from "../errors";
import { describeError } from "../log";
import { SQLSTATE } from "../sql-state";

/**
 * Data, constraints, limits, and what functions raise: a trigger's RAISE is
 * P0001, one in another language 38000, and a row too large for some part of
 * the server an internal error. All else (connection, disk, locks, privileges)
 * is no row's fault and is tried again.
 */
const ROW_CLASSES = /^(20|21|22|23|38|39|44|54|P0)|^XX000$/;

/** Whether storing less of some row may help. */
export function isRefusal(error: unknown): error is DatabaseError {
  return (
    error instanceof DatabaseError &&
    ROW_CLASSES.test(error.code ?? "") &&
    // Rows that are not rows are this worker's bug.
    error.code !== SQLSTATE.badCopyFormat &&
    !isMissingPartition(error)
  );
}

/** Somebody took it away since it was made; the next session makes it again. */
function isMissingPartition({ code, routine }: DatabaseError): boolean {
  return code === SQLSTATE.checkViolation && routine === "ExecFindPartition";
}

/** @throws OperatorError when the refused row is there already. */
export function checkNoDuplicate(error: DatabaseError): void {
  const { code, schema = "", table = "", constraint, routine } = error;
  const isOurs = schema === "public" && /^changes(_\d{4,}_\d{2})?$/.test(table);
  if (code !== SQLSTATE.uniqueViolation || !isOurs) return;
  if (routine !== "_bt_check_unique") return;
  if (constraint !== `${table}_pkey`) {
    throw new OperatorError(
      `${where(error)}: a unique index that this worker did not make refuses a change that is no duplicate`,
      "drop the index at the destination, then start the worker again; nothing is lost (docs/operations.md, “Reduced rows”)",
      { cause: error },
    );
  }
  const [, id] = /=\(([0-9a-f-]{36}), /.exec(error.detail ?? "") ?? [];
  throw new OperatorError(
    `${where(error)}: the change ${id ?? ""} is stored already although the watermark is before it; a second writer, a restored watermark, or rows put in by hand`,
    "find out which (docs/operations.md, “A change that is there already”); nothing is lost and nothing was overwritten",
    { cause: error },
  );
}

/** Not even without its values, or too many. */
export function refusedForGood(error: DatabaseError, what: string) {
  return new OperatorError(
    `public.changes refuses ${what}: ${where(error)}`,
    "this is not about single rows: see at the destination what public.changes has that the worker did not make, or lacks (psql: \\d+ public.changes), correct it, then start the worker again; nothing is lost (docs/operations.md, “Reduced rows”)",
    { cause: error },
  );
}

/** SQLSTATE and names, never a value. */
function where(error: DatabaseError): string {
  const { sqlState, ...said } = describeError(error);
  const names = ["table", "constraint", "column", "routine"].flatMap((name) =>
    said[name] ? [`${name} ${said[name]}`] : [],
  );
  return [`SQLSTATE ${sqlState}`, ...names].join(", ");
}
