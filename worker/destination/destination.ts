/**
 * The order of writing: while one transaction is being made durable, the next
 * one's rows are copied on another connection; but they commit in the order of
 * the log, each only on top of what the one before has left. A source
 * transaction is never split over two of them; several small ones share one.
 */
import type { Client } from "pg";
import type { Lsn } from "../lsn";
import type { Batch } from "../stream/batch";
import { ensurePartition } from "./partitions";
import { Allowance, type Refusals } from "./piecewise-copy";
import type { Watermark } from "./watermark";
import { WriteTransaction } from "./write-transaction";

/** The writing side of one claimed watermark. */
export class Destination {
  readonly #clients: readonly [Client, ...Client[]];
  readonly #parts: ConstructorParameters<typeof WriteTransaction>[1];
  readonly #months = new Set<number>();
  #writes = 0;
  #failed = false;
  /**
   * The last commit that is stored when all that was begun so far is durable;
   * fails with the first of them that does.
   */
  #durable: Promise<Lsn>;
  /** Goes on with the next batch. */
  #open: WriteTransaction | undefined;

  /**
   * `clients` are this object's alone, one for each write that may be under way;
   * the first is the one that claimed the `watermark`.
   */
  constructor(
    clients: readonly [Client, ...Client[]],
    watermark: Watermark,
    refusals: Refusals,
  ) {
    this.#clients = clients;
    this.#parts = { watermark, refusals, allowance: new Allowance() };
    this.#durable = Promise.resolve(watermark.commitLsn);
  }

  /** Stores a batch; durable when it returns, unless the batch has no end. */
  write(batch: Batch): Promise<void> {
    return this.#inOrder((before) => this.#write(batch, before));
  }

  /**
   * Notes a position without rows, before the source may be told of it: after a
   * restart a slot ahead of what is noted here is a gap (H11).
   */
  recordPosition(position: Lsn): Promise<void> {
    return this.#inOrder(async (before) => {
      const commitLsn = await before;
      await this.#transaction(0).recordPosition({ commitLsn, position });
      return commitLsn;
    });
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
    if (end && !this.#open) {
      const lane = this.#writes++ % this.#clients.length;
      await this.#ensureMonths(batch, lane);
      return this.#transaction(lane).writeWhole({ ...batch, end }, before);
    }
    // A transaction that is larger than a batch has nothing beside it.
    const from = await before;
    await this.#ensureMonths(batch, 0);
    this.#open ??= this.#transaction(0);
    await this.#open.writePart(batch, from);
    if (!end) return from;
    await this.#open.commit(from, end);
    this.#open = undefined;
    return end.commitLsn;
  }

  #transaction(lane: number): WriteTransaction {
    return new WriteTransaction(this.#client(lane), this.#parts);
  }

  #client(lane: number): Client {
    return this.#clients[lane] ?? this.#clients[0];
  }

  /** Also in the middle of a transaction that began in another month. */
  async #ensureMonths({ months }: Batch, lane: number): Promise<void> {
    for (const month of months) {
      if (this.#months.has(month)) continue;
      await ensurePartition(this.#client(lane), month);
      this.#months.add(month);
    }
  }
}
