/**
 * One transaction of the destination: rows, and the watermark moved over them,
 * on top of the watermark as this worker left it.
 */
import type { Client, DatabaseError } from "pg";
import { formatLsn, type Lsn } from "../lsn";
import { errorCode } from "../sql-state";
import type { Batch, LateContext } from "../stream/batch";
import { fenced } from "./claim";
import { copyRows } from "./copy";
import { ensurePartition } from "./partitions";
import { type Allowance, PiecewiseCopy, type Refusals } from "./piecewise-copy";
import { isRefusal, refusedForGood } from "./refusal";
import { storeSchemaChanges } from "./schema-changes";
import { IDENTITY_OF_ID } from "./slot-identity";
import type { Watermark } from "./watermark";

type BatchEnd = NonNullable<Batch["end"]>;

/** What the transactions of one session of the worker share. */
export interface WriteParts {
  readonly watermark: Watermark;
  readonly refusals: Refusals;
  readonly allowance: Allowance;
  /** Whose partitions are there. */
  readonly months: Set<number>;
}

export class WriteTransaction {
  readonly #client: Client;
  readonly #parts: WriteParts;
  #pieces: PiecewiseCopy | undefined;

  /** `client` has no transaction open. */
  constructor(client: Client, parts: WriteParts) {
    this.#client = client;
    this.#parts = parts;
  }

  /**
   * All of it, in as few round trips as there are. Rows are copied at once, and
   * committed when `before`, the last commit stored before them, is durable.
   */
  async writeWhole(
    batch: Batch & { readonly end: BatchEnd },
    before: Promise<Lsn>,
  ): Promise<Lsn> {
    const { end, rows, rowCount } = batch;
    await this.#ensurePartitions(batch);
    const refusal = await this.#tryWhole(batch, before);
    if (!refusal) {
      this.#parts.allowance.stored(rowCount);
      return end.commitLsn;
    }
    // All of it is still here: the same again, with care.
    await this.#client.query("ROLLBACK");
    const from = await before;
    const pieces = await this.#beginPieces();
    await pieces.storeAround(rows, refusal);
    await this.#storeSchemaChanges(batch);
    await pieces.end();
    return this.#commit(from, end);
  }

  /**
   * Some of a transaction that is larger than a batch. It has nothing beside it,
   * and stays open until the part with an end.
   */
  async writePart(batch: Batch, before: Promise<Lsn>): Promise<Lsn> {
    const from = await before;
    await this.#ensurePartitions(batch);
    const pieces = this.#pieces ?? (await this.#beginPieces());
    if (batch.rowCount > 0) await pieces.store(batch.rows, batch.rowCount);
    await this.#storeSchemaChanges(batch);
    if (!batch.end) return from;
    await pieces.end();
    if (batch.lateContext) await this.#giveContext(batch.lateContext);
    return this.#commit(from, batch.end);
  }

  /** A transaction of its own for a position without rows. */
  async recordPosition(position: Lsn, before: Promise<Lsn>): Promise<Lsn> {
    const commitLsn = await before;
    await this.#orFenced(this.#client.query(this.#begin));
    return this.#commit(commitLsn, { commitLsn, position });
  }

  async #tryWhole(
    batch: Batch & { readonly end: BatchEnd },
    before: Promise<Lsn>,
  ): Promise<DatabaseError | undefined> {
    const { end, rows, rowCount } = batch;
    try {
      if (rowCount > 0) {
        const all = { bytes: rows, count: rowCount };
        await this.#orFenced(copyRows(this.#client, all, this.#begin));
      } else await this.#orFenced(this.#client.query(this.#begin));
      await this.#storeSchemaChanges(batch);
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
    const from = await before;
    try {
      await this.#commit(from, end);
      return undefined;
    } catch (error) {
      // What is checked at the commit alone: deferred constraints.
      if (isRefusal(error)) return error;
      throw error;
    }
  }

  /**
   * @throws FencedError when the watermark is not as this worker left it: with
   * `from` as the last commit.
   */
  async #commit(from: Lsn, { commitLsn, position }: BatchEnd): Promise<Lsn> {
    await this.#orFenced(
      this.#client.query(`${this.#check(`
        UPDATE public._bemi_watermarks
           SET commit_lsn = '${formatLsn(commitLsn)}', position = '${formatLsn(position)}', updated_at = now()
         WHERE ${this.#mine} AND commit_lsn = '${formatLsn(from)}'`)};
        COMMIT`),
    );
    return commitLsn;
  }

  /** Begins a transaction whose rows may be given and refused in parts. */
  async #beginPieces(): Promise<PiecewiseCopy> {
    // What is checked at the commit would be found too late to get round it.
    await this.#orFenced(
      this.#client.query(`${this.#begin} SET CONSTRAINTS ALL IMMEDIATE`),
    );
    this.#pieces = new PiecewiseCopy(
      this.#client,
      this.#parts.allowance,
      this.#parts.refusals,
    );
    return this.#pieces;
  }

  /**
   * SQL that begins, in one round trip with what follows it. The lock lets the
   * other write move the watermark, but whoever takes over waits for it, or ends
   * this session; and after that nothing is written here, not even to be undone:
   * rows with the same ids would be in the successor's way.
   */
  get #begin(): string {
    return `
      BEGIN;
      -- An acknowledged commit must survive a crash of the destination, whatever
      -- its defaults say.
      SET LOCAL synchronous_commit = on;
      -- The turn of these rows may be long in coming: the write before them waits
      -- for a standby, or the source for the rest of its transaction.
      SET LOCAL idle_in_transaction_session_timeout = 0;
      ${this.#check(`PERFORM FROM public._bemi_watermarks WHERE ${this.#mine} FOR KEY SHARE`)};`;
  }

  /** A statement that fails when `statement` finds no row. */
  #check(statement: string): string {
    const body = `BEGIN ${statement}; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = '${FENCED}'; END IF; END`;
    return `DO LANGUAGE plpgsql ${this.#client.escapeLiteral(body)}`;
  }

  async #orFenced<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (errorCode(error) !== FENCED) throw error;
      throw fenced(this.#parts.watermark.slotName);
    }
  }

  /** Also in the middle of a transaction that began in another month. */
  async #ensurePartitions({ months }: Batch): Promise<void> {
    for (const month of months) {
      if (this.#parts.months.has(month)) continue;
      await ensurePartition(this.#client, month);
      this.#parts.months.add(month);
    }
  }

  async #storeSchemaChanges(batch: Batch): Promise<void> {
    const { databaseName } = this.#parts.watermark;
    await storeSchemaChanges(this.#client, databaseName, batch);
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

  /** The watermark's row, as long as nobody took over. */
  get #mine(): string {
    const { databaseName, slotName, epoch } = this.#parts.watermark;
    return `database_name = ${this.#client.escapeLiteral(databaseName)} AND slot_name = ${this.#client.escapeLiteral(slotName)} AND epoch = ${epoch}`;
  }
}

/** No code of PostgreSQL's. */
const FENCED = "BM002";
