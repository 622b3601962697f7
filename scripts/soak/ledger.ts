/** What was committed, row by row, by the writers of a mixed load. */

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "TRUNCATE";

export interface LedgerRow {
  readonly table: string;
  readonly operation: Operation;
  readonly primaryKey: string | null;
  readonly before: object;
  readonly after: object;
  readonly context: object;
}

export interface LedgerTransaction {
  /** Whose tables these are: all of their names begin with it. */
  readonly writer: string;
  /** Key of the row in the table `<writer>_commit` that each one begins with. */
  readonly marker: number;
  /** In the order in which they were made. */
  readonly rows: Iterable<LedgerRow>;
  readonly rowCount: number;
  /** The commit record lies between these. */
  readonly notBefore: bigint;
  readonly before: bigint;
}

/** Committed transactions, in the order of each writer. */
export class Ledger {
  readonly transactions: LedgerTransaction[] = [];

  get rowCount(): number {
    return this.transactions.reduce((sum, { rowCount }) => sum + rowCount, 0);
  }

  /** The last marker of each writer. */
  get last(): ReadonlyMap<string, number> {
    return new Map(
      this.transactions.map(({ writer, marker }) => [writer, marker]),
    );
  }
}
