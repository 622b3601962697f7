/**
 * Rows and watermark in one transaction: what makes a change exactly one row.
 * Each transaction locks the watermark, finds it as this worker left it, copies
 * the rows, moves the watermark. A source transaction is never split over two
 * of them; several small ones share one.
 */
import type { Client, DatabaseError } from "pg";
import { formatLsn, type Lsn, parseLsn } from "../lsn";
import type { Batch, LateContext } from "../stream/batch";
import { fenced } from "./claim";
import { copyRows } from "./copy";
import { ensurePartition } from "./partitions";
import { Allowance, PiecewiseCopy, type Refusals } from "./piecewise-copy";
import { isRefusal, refusedForGood } from "./refusal";
import { storeSchemaChanges } from "./schema-changes";
import { IDENTITY_OF_ID } from "./slot-identity";
import type { Watermark } from "./watermark";

/** The writing side of one claimed watermark, on one connection. */
export class Destination {
  readonly #client: Client;
  readonly #watermark: Watermark;
  readonly #refusals: Refusals;
  readonly #allowance = new Allowance();
  readonly #months = new Set<number>();
  #commitLsn: Lsn;
  /** Of the transaction that is open from one batch to the next. */
  #pieces: PiecewiseCopy | undefined;
  #failed = false;

  /** `client` is this object's alone; `watermark` is as it was claimed. */
  constructor(client: Client, watermark: Watermark, refusals: Refusals) {
    this.#client = client;
    this.#watermark = watermark;
    this.#refusals = refusals;
    this.#commitLsn = watermark.commitLsn;
  }

  /** Stores a batch; durable when it returns, unless the batch has no end. */
  async write(batch: Batch): Promise<void> {
    await this.#unlessFailed(() => this.#write(batch));
  }

  /**
   * Notes a position without rows, before the source may be told of it: after a
   * restart a slot ahead of what is noted here is a gap (H11).
   */
  async recordPosition(position: Lsn): Promise<void> {
    await this.#unlessFailed(async () => {
      await this.#begin();
      await this.#commit({ commitLsn: this.#commitLsn, position });
    });
  }

  /**
   * What comes after a write that failed would be stored without it, and move
   * the watermark over it. Only a new session, which reads again, may go on.
   */
  async #unlessFailed(work: () => Promise<void>): Promise<void> {
    if (this.#failed) throw new Error("an earlier write failed");
    this.#failed = true;
    await work();
    this.#failed = false;
  }

  async #write(batch: Batch): Promise<void> {
    for (const month of batch.months) await this.#ensureMonth(month);
    if (batch.end && !this.#pieces) {
      const refusal = await this.#writeAtOnce(batch, batch.end);
      if (!refusal) return;
      // All of it is still here: the same again, with care.
      await this.#client.query("ROLLBACK");
      await (await this.#beginPieces()).storeAround(batch.rows, refusal);
    } else {
      const pieces = this.#pieces ?? (await this.#beginPieces());
      if (batch.rowCount > 0) await pieces.store(batch.rows, batch.rowCount);
    }
    await this.#storeSchemaChanges(batch);
    if (!batch.end) return;
    await this.#pieces?.end();
    if (batch.lateContext) await this.#giveContext(batch.lateContext);
    await this.#commit(batch.end);
    this.#pieces = undefined;
  }

  /** A whole transaction, in as few round trips as there are. */
  async #writeAtOnce(
    batch: Batch,
    end: CommittedUpTo,
  ): Promise<DatabaseError | undefined> {
    const { rows, rowCount } = batch;
    await this.#begin();
    try {
      if (rowCount > 0) {
        await copyRows(this.#client, { bytes: rows, count: rowCount });
      }
      await this.#storeSchemaChanges(batch);
      await this.#commit(end);
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
    this.#allowance.stored(rowCount);
    return undefined;
  }

  /** Begins a transaction whose rows may be given and refused in parts. */
  async #beginPieces(): Promise<PiecewiseCopy> {
    await this.#begin();
    // What is checked at the commit would be found too late to get round it.
    // And between two parts it may be long until the source has the next one.
    await this.#client.query(
      "SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL idle_in_transaction_session_timeout = 0",
    );
    this.#pieces = new PiecewiseCopy(
      this.#client,
      this.#allowance,
      this.#refusals,
    );
    return this.#pieces;
  }

  async #storeSchemaChanges(batch: Batch): Promise<void> {
    const { databaseName } = this.#watermark;
    await storeSchemaChanges(this.#client, databaseName, batch);
  }

  /** Also in the middle of a transaction that began in another month. */
  async #ensureMonth(month: number): Promise<void> {
    if (this.#months.has(month)) return;
    await ensurePartition(this.#client, month);
    this.#months.add(month);
  }

  /** Begins, and makes sure that nobody took over since (H13). */
  async #begin(): Promise<void> {
    // An acknowledged commit must survive a crash of the destination, whatever
    // its defaults say (H78).
    const results = (await this.#client.query(`
      BEGIN;
      SET LOCAL synchronous_commit = on;
      SELECT epoch::text, commit_lsn::text FROM public._bemi_watermarks
       WHERE ${this.#where()} FOR UPDATE`)) as unknown as {
      rows: { epoch: string; commit_lsn: string }[];
    }[];
    const row = results[2]?.rows[0];
    if (
      row?.epoch !== String(this.#watermark.epoch) ||
      parseLsn(row.commit_lsn) !== this.#commitLsn
    ) {
      await this.#client.query("ROLLBACK");
      throw fenced(this.#watermark.slotName);
    }
  }

  async #commit({ commitLsn, position }: CommittedUpTo): Promise<void> {
    await this.#client.query(`
      UPDATE public._bemi_watermarks
         SET commit_lsn = '${formatLsn(commitLsn)}', position = '${formatLsn(position)}', updated_at = now()
       WHERE ${this.#where()};
      COMMIT`);
    this.#commitLsn = commitLsn;
  }

  /** Only rows of this slot: another's may lie between the ids. */
  async #giveContext(late: LateContext): Promise<void> {
    const { firstId, lastId, identity, context } = late;
    try {
      await this.#client.query(
        `UPDATE public.changes SET context = $4
          WHERE id BETWEEN $1 AND $2 AND ${IDENTITY_OF_ID} = $3`,
        [firstId, lastId, identity, context.toString("utf8")],
      );
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw refusedForGood(
        error,
        "the context that a transaction gave after its rows",
      );
    }
  }

  #where(): string {
    const { databaseName, slotName } = this.#watermark;
    return `database_name = ${this.#client.escapeLiteral(databaseName)} AND slot_name = ${this.#client.escapeLiteral(slotName)}`;
  }
}

type CommittedUpTo = NonNullable<Batch["end"]>;
