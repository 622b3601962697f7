/**
 * One transaction of the destination: rows, and the watermark moved over them,
 * on top of the watermark as this worker left it.
 */
import type { Client, DatabaseError } from "pg";
import { formatLsn, type Lsn, parseLsn } from "../lsn";
import { errorCode, SQLSTATE } from "../sql-state";
import type { Batch, LateContext } from "../stream/batch";
import { fenced } from "./claim";
import { copyRows } from "./copy";
import { type Allowance, PiecewiseCopy, type Refusals } from "./piecewise-copy";
import { isRefusal, refusedForGood } from "./refusal";
import { storeSchemaChanges } from "./schema-changes";
import { IDENTITY_OF_ID } from "./slot-identity";
import type { Watermark } from "./watermark";

export type BatchEnd = NonNullable<Batch["end"]>;

export class WriteTransaction {
  readonly #client: Client;
  readonly #watermark: Watermark;
  readonly #allowance: Allowance;
  readonly #refusals: Refusals;
  #pieces: PiecewiseCopy | undefined;

  /** `client` has no transaction open. */
  constructor(
    client: Client,
    parts: {
      readonly watermark: Watermark;
      readonly allowance: Allowance;
      readonly refusals: Refusals;
    },
  ) {
    this.#client = client;
    this.#watermark = parts.watermark;
    this.#allowance = parts.allowance;
    this.#refusals = parts.refusals;
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
    const refusal = await this.#tryWhole(batch, before);
    if (!refusal) {
      this.#allowance.stored(rowCount);
      return end.commitLsn;
    }
    // All of it is still here: the same again, with care.
    await this.#client.query("ROLLBACK");
    const from = await before;
    const pieces = await this.#beginPieces(from);
    await pieces.storeAround(rows, refusal);
    await this.#storeRest(batch);
    await this.commit(from, end);
    return end.commitLsn;
  }

  async #tryWhole(
    batch: Batch & { readonly end: BatchEnd },
    before: Promise<Lsn>,
  ): Promise<DatabaseError | undefined> {
    const { end, rows, rowCount } = batch;
    try {
      if (rowCount > 0) {
        const all = { bytes: rows, count: rowCount };
        await copyRows(this.#client, all, `${BEGIN}; `);
      } else await this.#client.query(BEGIN);
      await this.#storeRest(batch);
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
    const from = await before;
    try {
      await this.commit(from, end);
      return undefined;
    } catch (error) {
      // What is checked at the commit alone: deferred constraints.
      if (isRefusal(error)) return error;
      throw error;
    }
  }

  /** Some of a transaction that stays open, on top of `from`. */
  async writePart(batch: Batch, from: Lsn): Promise<void> {
    const pieces = this.#pieces ?? (await this.#beginPieces(from));
    if (batch.rowCount > 0) await pieces.store(batch.rows, batch.rowCount);
    await this.#storeRest(batch);
    if (!batch.end) return;
    await pieces.end();
    if (batch.lateContext) await this.#giveContext(batch.lateContext);
  }

  /** A transaction of its own for a position without rows. */
  async recordPosition(end: BatchEnd): Promise<void> {
    await this.#client.query(BEGIN);
    await this.commit(end.commitLsn, end);
  }

  /** @throws FencedError when the watermark is not as this worker left it (H13). */
  async commit(from: Lsn, { commitLsn, position }: BatchEnd): Promise<void> {
    try {
      await this.#client.query(`
        WITH moved AS (
          UPDATE public._bemi_watermarks
             SET commit_lsn = '${formatLsn(commitLsn)}', position = '${formatLsn(position)}', updated_at = now()
           WHERE ${this.#where()} AND commit_lsn = '${formatLsn(from)}' AND epoch = ${this.#watermark.epoch}
          RETURNING 1)
        -- Without a row this fails, and the commit behind it is not done.
        SELECT 1 / count(*) FROM moved;
        COMMIT`);
    } catch (error) {
      if (errorCode(error) !== SQLSTATE.divisionByZero) throw error;
      throw fenced(this.#watermark.slotName);
    }
  }

  /**
   * Begins a transaction whose rows may be given and refused in parts. It may
   * last, so it makes sure at once that nobody took over since.
   */
  async #beginPieces(from: Lsn): Promise<PiecewiseCopy> {
    // What is checked at the commit would be found too late to get round it.
    // And between two parts it may be long until the source has the next one.
    const results = (await this.#client.query(`
      ${BEGIN};
      SET CONSTRAINTS ALL IMMEDIATE;
      SET LOCAL idle_in_transaction_session_timeout = 0;
      SELECT epoch::text, commit_lsn::text FROM public._bemi_watermarks
       WHERE ${this.#where()} FOR UPDATE`)) as unknown as {
      rows: { epoch: string; commit_lsn: string }[];
    }[];
    const row = results.at(-1)?.rows[0];
    const { epoch, slotName } = this.#watermark;
    if (row?.epoch !== String(epoch) || parseLsn(row.commit_lsn) !== from) {
      await this.#client.query("ROLLBACK");
      throw fenced(slotName);
    }
    this.#pieces = new PiecewiseCopy(
      this.#client,
      this.#allowance,
      this.#refusals,
    );
    return this.#pieces;
  }

  async #storeRest(batch: Batch): Promise<void> {
    const { databaseName } = this.#watermark;
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

  #where(): string {
    const { databaseName, slotName } = this.#watermark;
    return `database_name = ${this.#client.escapeLiteral(databaseName)} AND slot_name = ${this.#client.escapeLiteral(slotName)}`;
  }
}

/**
 * An acknowledged commit must survive a crash of the destination, whatever its
 * defaults say (H78).
 */
const BEGIN = "BEGIN; SET LOCAL synchronous_commit = on";
