/**
 * Rows and watermark in one transaction: what makes a change exactly one row.
 * Each transaction locks the watermark, finds it as this worker left it, copies
 * the rows, moves the watermark. A source transaction is never split over two
 * of them; several small ones share one.
 */
import type { Client } from "pg";
import { type CopyStreamQuery, from as copyFrom } from "pg-copy-streams";
import { formatLsn, type Lsn, parseLsn } from "../lsn";
import { COPY_COLUMNS, COPY_HEADER, COPY_TRAILER } from "../row/change-row";
import type { Batch, LateContext } from "../stream/batch";
import { fenced } from "./claim";
import { ensurePartition } from "./partitions";
import type { Watermark } from "./watermark";

const COPY = `COPY public.changes (${COPY_COLUMNS.join(", ")}) FROM STDIN (FORMAT binary)`;

/**
 * Rows go in messages of this size: the server counts whole ones, by which a
 * slow line is told from a dead one (network/watchdog.ts).
 */
const MESSAGE_BYTES = 64 * 1024;

/** A COPY under way. */
interface OpenCopy {
  readonly stream: CopyStreamQuery;
  readonly failed: Promise<never>;
  rows: number;
}

/** The writing side of one claimed watermark, on one connection. */
export class Destination {
  readonly #client: Client;
  readonly #watermark: Watermark;
  readonly #months = new Set<number>();
  #commitLsn: Lsn;
  #inTransaction = false;
  #copy: OpenCopy | undefined;
  #failed = false;

  /** `client` is this object's alone; `watermark` is as it was claimed. */
  constructor(client: Client, watermark: Watermark) {
    this.#client = client;
    this.#watermark = watermark;
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
      await this.#commit(this.#commitLsn, position);
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
    if (!this.#inTransaction) await this.#begin();
    if (batch.rows.length > 0) {
      this.#copy ??= startCopy(this.#client);
      await send(this.#copy, batch.rows);
      this.#copy.rows += batch.rowCount;
    }
    if (!batch.end) return;
    await this.#endCopy();
    if (batch.lateContext) await this.#giveContext(batch.lateContext);
    await this.#commit(batch.end.commitLsn, batch.end.position);
  }

  /** Also in the middle of a transaction that began in another month. */
  async #ensureMonth(month: number): Promise<void> {
    if (this.#months.has(month)) return;
    await this.#endCopy();
    await ensurePartition(this.#client, month);
    this.#months.add(month);
  }

  async #endCopy(): Promise<void> {
    if (this.#copy) await finish(this.#copy);
    this.#copy = undefined;
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
    this.#inTransaction = true;
  }

  async #commit(commitLsn: Lsn, position: Lsn): Promise<void> {
    await this.#client.query(`
      UPDATE public._bemi_watermarks
         SET commit_lsn = '${formatLsn(commitLsn)}', position = '${formatLsn(position)}', updated_at = now()
       WHERE ${this.#where()};
      COMMIT`);
    this.#inTransaction = false;
    this.#commitLsn = commitLsn;
  }

  /** Only rows of this transaction: another slot's may lie between the ids. */
  async #giveContext(late: LateContext): Promise<void> {
    await this.#client.query(
      `UPDATE public.changes SET context = $3
        WHERE id BETWEEN $1 AND $2 AND xmin = pg_current_xact_id()::xid`,
      [late.firstId, late.lastId, late.context.toString("utf8")],
    );
  }

  #where(): string {
    const { databaseName, slotName } = this.#watermark;
    return `database_name = ${this.#client.escapeLiteral(databaseName)} AND slot_name = ${this.#client.escapeLiteral(slotName)}`;
  }
}

function startCopy(client: Client): OpenCopy {
  const stream = client.query(copyFrom(COPY));
  const failed = new Promise<never>((_, reject) => {
    stream.on("error", reject);
  });
  // Also when nobody waits for it at that moment.
  failed.catch(() => undefined);
  stream.write(COPY_HEADER);
  return { stream, failed, rows: 0 };
}

/** Hands bytes to the COPY and waits until the socket took them. */
async function send(copy: OpenCopy, bytes: Buffer): Promise<void> {
  await Promise.race([
    copy.failed,
    new Promise<void>((resolve, reject) => {
      const last = bytes.length - MESSAGE_BYTES;
      let at = 0;
      for (; at < last; at += MESSAGE_BYTES) {
        copy.stream.write(bytes.subarray(at, at + MESSAGE_BYTES));
      }
      copy.stream.write(bytes.subarray(at), (error) =>
        error ? reject(error) : resolve(),
      );
    }),
  ]);
}

async function finish(copy: OpenCopy): Promise<void> {
  await Promise.race([
    copy.failed,
    new Promise<void>((resolve) => {
      copy.stream.end(COPY_TRAILER, () => resolve());
    }),
  ]);
  if (copy.stream.rowCount !== copy.rows) {
    throw new Error(
      `COPY stored ${copy.stream.rowCount} rows of ${copy.rows}: a trigger or rule on public.changes drops rows`,
    );
  }
}
