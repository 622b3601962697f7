/** Rows on their way to the destination: what one of its transactions gets. */
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
  /** In the order of the log; to be stored in the same transaction. */
  readonly schemaChanges?: readonly SchemaChange[];
  /** A context that came after rows which were already handed on. */
  readonly lateContext?: LateContext;
}

export interface LateContext {
  readonly firstId: string;
  readonly lastId: string;
  /** Of the schema changes that were handed on: the id after `lastId` … */
  readonly lastSchemaChangeId: string;
  /** … and the context's own position, since several share that id. */
  readonly position: Lsn;
  /** `sourceIdentity` of the slot, which all of the ids end with. */
  readonly identity: number;
  readonly context: Buffer;
}

/** A row of `_bemi_schema_changes`: a DDL, by the mark that it left. */
export interface SchemaChange {
  /** That of the transaction's next change: what has a smaller one came before. */
  readonly id: string;
  readonly position: Lsn;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly command: string;
  /** JSON objects. */
  readonly details: Buffer;
  readonly context: Buffer;
  /** Microseconds since 2000-01-01 UTC. */
  readonly committedAtMicros: bigint;
  readonly transactionId: number;
}
