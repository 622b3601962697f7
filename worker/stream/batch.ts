/** Rows on their way to the destination: what one COPY is given. */
import type { Lsn } from "../lsn";

export interface Batch {
  /** Rows in COPY's binary format, without header and trailer. */
  readonly rows: Buffer;
  readonly rowCount: number;
  /** Months since 1970 (UTC) of the rows' `committed_at`. */
  readonly months: ReadonlySet<number>;
  /**
   * Start of the commit record of the last transaction in the batch, and the
   * position up to which nothing is missing with it. Undefined: the batch ends
   * inside a source transaction, and the destination's must stay open.
   */
  readonly end?: { readonly commitLsn: Lsn; readonly position: Lsn };
  /** A context that came after rows which were already handed on (H65). */
  readonly lateContext?: LateContext;
}

export interface LateContext {
  readonly firstId: string;
  readonly lastId: string;
  /** `sourceIdentity` of the slot, which all of the ids end with. */
  readonly identity: number;
  readonly context: Buffer;
}
