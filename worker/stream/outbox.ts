/**
 * Rendered rows that wait for the destination: those of finished transactions,
 * which go together, and behind them those of the one being read, which goes
 * ahead of its commit only when it alone is more than a batch.
 */

import type { Lsn } from "../lsn";
import { ByteWriter } from "../row/byte-writer";
import { replaceContext } from "../row/change-row";
import type { Batch, LateContext, SchemaChange } from "./batch";

const MIN_CAPACITY_BYTES = 64 * 1024;

export class Outbox {
  /** Rows are rendered into it. */
  readonly out = new ByteWriter(MIN_CAPACITY_BYTES);
  #finishedBytes = 0;
  #finishedRows = 0;
  #months = new Set<number>();
  #commitLsn: Lsn | undefined;
  #lateContext: LateContext | undefined;
  #finishedSchemaChanges: SchemaChange[] = [];
  #openSchemaChanges: SchemaChange[] = [];
  #schemaChangeBytes = 0;
  #openMonth = 0;
  #openRows = 0;
  #openHandedOn = false;

  get bytes(): number {
    return this.out.length + this.#schemaChangeBytes;
  }

  /** Whether finished transactions with something to store wait. */
  get hasFinished(): boolean {
    return this.#commitLsn !== undefined;
  }

  /** `month` is that of the transaction's commit, in months since year 0. */
  begin(month: number): void {
    this.#openMonth = month;
    this.#openRows = 0;
    this.#openHandedOn = false;
    this.#openSchemaChanges = [];
  }

  /** A row of the open transaction has been rendered whole. */
  addRow(): void {
    this.#openRows++;
  }

  /** One of the open transaction. */
  addSchemaChange(change: SchemaChange): void {
    this.#openSchemaChanges.push(change);
    this.#schemaChangeBytes += bytesOf(change);
  }

  /** Gives a context to what of the open transaction is still here. */
  replaceOpenContext(context: Buffer, contextField: Buffer): void {
    for (const [index, change] of this.#openSchemaChanges.entries()) {
      this.#openSchemaChanges[index] = { ...change, context };
      this.#schemaChangeBytes += context.length - change.context.length;
    }
    const from = this.#finishedBytes;
    if (this.out.length === from) return;
    const rows = this.out.buffer.subarray(from, this.out.length);
    const replaced = replaceContext(rows, contextField);
    this.out.length = from;
    this.out.bytes(replaced);
  }

  commit(commitLsn: Lsn, lateContext: LateContext | undefined): void {
    const hasSchemaChanges = this.#openSchemaChanges.length > 0;
    if (this.#openRows === 0 && !hasSchemaChanges && !this.#openHandedOn) {
      return;
    }
    this.#finishedSchemaChanges.push(...this.#openSchemaChanges);
    this.#openSchemaChanges = [];
    this.#commitLsn = commitLsn;
    this.#finishedBytes = this.out.length;
    this.#finishedRows += this.#openRows;
    if (this.#openRows > 0) this.#months.add(this.#openMonth);
    // At most one: only a transaction that was handed on in parts has one, and
    // the rest of it is the first in its batch.
    this.#lateContext ??= lateContext;
    this.#openHandedOn = false;
    this.#openRows = 0;
  }

  /** All finished rows. `position`: nothing before it is missing with them. */
  takeFinished(position: Lsn): Batch {
    const batch: Batch = {
      rows: this.out.buffer.subarray(0, this.#finishedBytes),
      rowCount: this.#finishedRows,
      months: this.#months,
      end: { commitLsn: this.#commitLsn as Lsn, position },
      ...schemaChangesOf(this.#finishedSchemaChanges),
      ...(this.#lateContext ? { lateContext: this.#lateContext } : {}),
    };
    this.#discard(this.#finishedBytes);
    this.#schemaChangeBytes -= sum(this.#finishedSchemaChanges);
    this.#finishedSchemaChanges = [];
    this.#commitLsn = undefined;
    this.#lateContext = undefined;
    this.#finishedBytes = 0;
    this.#finishedRows = 0;
    this.#months = new Set();
    return batch;
  }

  /** What there is of the open transaction; only when nothing is finished. */
  takeOpen(): Batch {
    const batch: Batch = {
      rows: this.out.buffer.subarray(0, this.out.length),
      rowCount: this.#openRows,
      months: new Set(this.#openRows > 0 ? [this.#openMonth] : []),
      ...schemaChangesOf(this.#openSchemaChanges),
    };
    this.#schemaChangeBytes -= sum(this.#openSchemaChanges);
    this.#openSchemaChanges = [];
    this.#openRows = 0;
    this.#openHandedOn = true;
    this.#discard(this.out.length);
    return batch;
  }

  #discard(bytes: number): void {
    this.out.discard(bytes, Math.max(MIN_CAPACITY_BYTES, bytes));
  }
}

function schemaChangesOf(
  schemaChanges: readonly SchemaChange[],
): Pick<Batch, "schemaChanges"> {
  return schemaChanges.length > 0 ? { schemaChanges } : {};
}

function sum(changes: readonly SchemaChange[]): number {
  return changes.reduce((bytes, change) => bytes + bytesOf(change), 0);
}

/** About what it takes; the rest of it is small. */
function bytesOf({ details, context }: SchemaChange): number {
  return 256 + details.length + context.length;
}
