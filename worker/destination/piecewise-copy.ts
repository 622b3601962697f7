/**
 * Rows in pieces, each in a savepoint: a piece that the destination refuses is
 * halved until the row is found that it refuses, and that one is stored in a
 * reduced form in its place. One poisonous row neither blocks the trail nor
 * vanishes from it.
 */
import type { Client, DatabaseError } from "pg";
import { describeError, type Log } from "../log";
import {
  type ReducedRow,
  reducedRows,
  rowPlace,
  rowStarts,
} from "../row/reduced-row";
import type { Status } from "../status";
import { copyRows } from "./copy";
import { checkNoDuplicate, isRefusal, refusedForGood } from "./refusal";

/**
 * So many rows may be reduced one after the other, and one in so many beyond
 * that: a destination that refuses more is broken, and going on would empty the
 * trail.
 */
const MAX_REDUCED_ROWS = 100;
const ROWS_PER_REDUCED_ROW = 100;

export interface Refusals {
  readonly status: Pick<Status, "reducedRows">;
  readonly log: Log;
}

/** How many more rows may be reduced in this session. */
export class Allowance {
  left = MAX_REDUCED_ROWS;

  stored(rows: number): void {
    this.left = Math.min(
      MAX_REDUCED_ROWS,
      this.left + rows / ROWS_PER_REDUCED_ROW,
    );
  }
}

/** Of one transaction, which is open. */
export class PiecewiseCopy {
  readonly #client: Client;
  readonly #allowance: Allowance;
  readonly #refusals: Refusals;
  #savepoint: "none" | "kept" | "failed" = "none";

  constructor(client: Client, allowance: Allowance, refusals: Refusals) {
    this.#client = client;
    this.#allowance = allowance;
    this.#refusals = refusals;
  }

  async store(bytes: Buffer, count: number): Promise<void> {
    const error = await this.#copy(bytes, count);
    if (error) await this.storeAround(bytes, error);
    else this.#allowance.stored(count);
  }

  /** Rows that were refused, as a whole, with `error`. */
  async storeAround(bytes: Buffer, error: DatabaseError): Promise<void> {
    const starts = rowStarts(bytes);
    await this.#divide(
      { bytes, starts, from: 0, to: starts.length - 1 },
      error,
    );
  }

  /** Leaves the savepoint: what follows belongs to the transaction itself. */
  async end(): Promise<void> {
    if (this.#savepoint === "none") return;
    await this.#client.query("RELEASE SAVEPOINT piece");
    this.#savepoint = "none";
  }

  async #divide(piece: Piece, error: DatabaseError): Promise<void> {
    const { from, to } = piece;
    checkNoDuplicate(error);
    if (to - from === 1) return this.#reduce(bytesOf(piece), error);
    const middle = Math.floor((from + to) / 2);
    for (const half of [
      { ...piece, to: middle },
      { ...piece, from: middle },
    ]) {
      const count = half.to - half.from;
      const refusal = await this.#copy(bytesOf(half), count);
      if (refusal) await this.#divide(half, refusal);
      else this.#allowance.stored(count);
    }
  }

  async #reduce(row: Buffer, error: DatabaseError): Promise<void> {
    const { log, status } = this.#refusals;
    const place = rowPlace(row);
    const { schema, table, operation, position } = place;
    const what = `${operation} of ${schema}.${table} at ${position}`;
    if (this.#allowance.left < 1) {
      throw refusedForGood(
        error,
        `too many rows (more than ${MAX_REDUCED_ROWS}, and more than one in ${ROWS_PER_REDUCED_ROW}), now the ${what}`,
      );
    }
    this.#allowance.left--;
    const reduced = await this.#firstTaken(row, error.code ?? "");
    if (!reduced) {
      throw refusedForGood(error, `the ${what}, also without its values`);
    }
    status.reducedRows++;
    log.error(
      { ...place, omitted: reduced.columns, error: describeError(error) },
      "stored without its values: the destination refuses a row",
    );
  }

  async #firstTaken(
    row: Buffer,
    sqlState: string,
  ): Promise<ReducedRow | undefined> {
    for (const reduced of reducedRows(row, sqlState)) {
      const refusal = await this.#copy(reduced.row, 1);
      if (!refusal) return reduced;
      checkNoDuplicate(refusal);
    }
    return undefined;
  }

  /** What it was refused with; undefined: stored. */
  async #copy(
    bytes: Buffer,
    count: number,
  ): Promise<DatabaseError | undefined> {
    try {
      // In the same round trip: a savepoint costs no waiting.
      const before = ENTER_SAVEPOINT[this.#savepoint];
      this.#savepoint = "failed";
      await copyRows(this.#client, { bytes, count }, before);
      this.#savepoint = "kept";
      return undefined;
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
  }
}

/** Some of the rows of a batch. */
interface Piece {
  readonly bytes: Buffer;
  readonly starts: readonly number[];
  /** Indexes into `starts`; `to` is the first row behind the piece. */
  readonly from: number;
  readonly to: number;
}

function bytesOf({ bytes, starts, from, to }: Piece): Buffer {
  return bytes.subarray(starts[from], starts[to]);
}

/** After nothing, after a piece that was stored, and after one that was not. */
const ENTER_SAVEPOINT = {
  none: "SAVEPOINT piece; ",
  kept: "RELEASE SAVEPOINT piece; SAVEPOINT piece; ",
  failed: "ROLLBACK TO SAVEPOINT piece; ",
} as const;
