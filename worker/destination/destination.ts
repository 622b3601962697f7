/**
 * The order of writing: while one transaction is being made durable, the next
 * one's rows are copied on another connection; but they commit in the order of
 * the log, each only on top of what the one before has left. A source
 * transaction is never split over two of them; several small ones share one.
 */
import type { Client } from "pg";
import type { Lsn } from "../lsn";
import type { Batch } from "../stream/batch";
import { Allowance, type Refusals } from "./piecewise-copy";
import type { Watermark } from "./watermark";
import { WriteTransaction } from "./write-transaction";

/** The writing side of one claimed watermark. */
export class Destination {
  readonly #parts: ConstructorParameters<typeof WriteTransaction>[1];
  /** The first is that of the last transaction. */
  #sessions: readonly [Client, Client];
  /**
   * The last commit that is stored when all that was begun so far is durable;
   * fails with the first of them that does.
   */
  #durable: Promise<Lsn>;
  /** Goes on with the next batch. */
  #open: WriteTransaction | undefined;
  #failed = false;

  /**
   * `sessions` are this object's alone, one for each of the two writes that may
   * be under way; `watermark` is as it was claimed.
   */
  constructor(
    sessions: readonly [Client, Client],
    watermark: Watermark,
    refusals: Refusals,
  ) {
    this.#sessions = sessions;
    this.#parts = {
      watermark,
      refusals,
      allowance: new Allowance(),
      months: new Set(),
    };
    this.#durable = Promise.resolve(watermark.commitLsn);
  }

  /** Stores a batch; durable when it returns, unless the batch has no end. */
  write(batch: Batch): Promise<void> {
    return this.#inOrder((before) => this.#write(batch, before));
  }

  /**
   * Notes a position without rows, before the source may be told of it: after a
   * restart a slot ahead of what is noted here is a gap.
   */
  recordPosition(position: Lsn): Promise<void> {
    return this.#inOrder((before) =>
      this.#nextTransaction().recordPosition(position, before),
    );
  }

  /**
   * What comes after a write that failed would be stored without it, and move
   * the watermark over it. Only a new session, which reads again, may go on.
   */
  async #inOrder(work: (before: Promise<Lsn>) => Promise<Lsn>): Promise<void> {
    if (this.#failed) throw new Error("an earlier write failed");
    this.#durable = work(this.#durable);
    try {
      await this.#durable;
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  async #write(batch: Batch, before: Promise<Lsn>): Promise<Lsn> {
    const { end } = batch;
    const open = this.#open;
    const transaction = open ?? this.#nextTransaction();
    // Before anything is waited for: the next batch may come meanwhile.
    this.#open = end ? undefined : transaction;
    return end && !open
      ? transaction.writeWhole({ ...batch, end }, before)
      : transaction.writePart(batch, before);
  }

  /** In turns: of two under way the one before the last has ended. */
  #nextTransaction(): WriteTransaction {
    const [last, next] = this.#sessions;
    this.#sessions = [next, last];
    return new WriteTransaction(next, this.#parts);
  }
}
