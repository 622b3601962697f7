/**
 * A change that the source cannot send. It sends each in one message of
 * less than 1 GB of text, in which bytea is doubled by its hex and, with a full
 * replica identity, the old row stands beside the new one. The log will not
 * change, so the same change fails at every attempt.
 */
import { DatabaseError } from "pg";
import { OperatorError } from "../errors";
import { formatLsn, type Lsn } from "../lsn";
import { decodingContext } from "./decoding-context";

/** "string buffer exceeds maximum allowed length", "out of memory" up to 17. */
const PROGRAM_LIMIT_EXCEEDED = "54000";
/** The same where one value alone is too much: internal, and never translated. */
const TOO_MUCH_MEMORY = /^invalid memory alloc request size/;

/**
 * What is to be done, or undefined when the error is another one.
 *
 * @param commitLsn of the transaction that was being sent
 */
export function unsendableRow(
  error: unknown,
  commitLsn: Lsn | undefined,
): OperatorError | undefined {
  if (!(error instanceof DatabaseError) || commitLsn === undefined) {
    return undefined;
  }
  const isTooLarge =
    error.code === PROGRAM_LIMIT_EXCEEDED ||
    TOO_MUCH_MEMORY.test(error.message);
  const { inChange, lsn } = decodingContext(error);
  if (!isTooLarge || !inChange) return undefined;
  // What is left out is exactly what was committed before this position.
  const behind = formatLsn(commitLsn + 1n);
  return new OperatorError(
    `the source cannot send a change${lsn ? ` (at ${lsn})` : ""} of the transaction that committed at ${formatLsn(commitLsn)}: old and new row together are over PostgreSQL's limit of 1 GB for a message`,
    `everything before it is stored; to go on without this transaction run the worker's command gap --to ${behind} --reason "what happened" --yes (docs/operations.md, “A row that the source cannot send”)`,
    { cause: error },
  );
}
