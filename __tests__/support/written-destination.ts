/** A destination that is given rows without a source, and what it has of them. */
import type { Client } from "pg";
import pino from "pino";
import type { Cluster } from "../../scripts/cluster";
import { readChangeId } from "../../scripts/soak/comparison";
import { claim } from "../../worker/destination/claim";
import { Destination } from "../../worker/destination/destination";
import { migrate } from "../../worker/destination/destination-schema";
import { monthOf } from "../../worker/destination/partitions";
import {
  createWatermark,
  readWatermark,
  type Watermark,
} from "../../worker/destination/watermark";
import type { Batch } from "../../worker/stream/batch";
import { type FinishedRow, finishedRows } from "./finished-rows";

const source = {
  databaseName: "shop",
  databaseOid: 1,
  systemIdentifier: "7000000000000000001",
  timeline: 1,
  slotName: "bemi",
};

export interface StoredRow {
  readonly key: string;
  readonly after: unknown;
  readonly context: unknown;
  readonly ordinal: number;
}

let count = 0;

export class WrittenDestination implements AsyncDisposable {
  readonly status = { reducedRows: 0 };
  readonly logged: Record<string, unknown>[] = [];
  #writer: Destination | undefined;
  #commitLsn = 0x1000n;
  #ordinal = 0;

  private constructor(
    readonly client: Client,
    readonly beside: Client,
    readonly database: string,
  ) {}

  /** With `sql` run after the worker's tables were made. */
  static async create(cluster: Cluster, sql = ""): Promise<WrittenDestination> {
    const database = `destination_${process.pid}_${++count}`;
    await cluster.createDatabase(database);
    const client = await cluster.client(database);
    await migrate(client, { indexValues: false });
    await createWatermark(client, source, "0/100");
    await client.query(sql);
    const place = new WrittenDestination(
      client,
      await cluster.client(database),
      database,
    );
    await place.beginSession();
    return place;
  }

  /** As after a failure: the transaction is gone, everything is read again. */
  async beginSession(): Promise<void> {
    const sessions = [this.client, this.beside] as const;
    for (const session of sessions) await session.query("ROLLBACK");
    const watermark = await claim(sessions, source);
    const { status, logged } = this;
    const log = pino(
      { base: null },
      { write: (line) => logged.push(JSON.parse(line)) },
    );
    this.#writer = new Destination(sessions, watermark, {
      status,
      log,
    });
  }

  get writer(): Destination {
    if (!this.#writer) throw new Error("no session");
    return this.#writer;
  }

  /** Writes the next rows; the last of their transaction unless told. */
  async write(rows: readonly FinishedRow[], isLast = true): Promise<void> {
    await this.writer.write(this.batch(rows, isLast));
  }

  batch(rows: readonly FinishedRow[], isLast = true): Batch {
    const commitLsn = this.#commitLsn;
    const firstOrdinal = this.#ordinal + 1;
    this.#ordinal += rows.length;
    if (isLast) {
      this.#commitLsn += 0x100n;
      this.#ordinal = 0;
    }
    return {
      rows: finishedRows(rows, { commitLsn, firstOrdinal }),
      rowCount: rows.length,
      months: new Set([monthOf(new Date())]),
      ...(isLast ? { end: { commitLsn, position: commitLsn } } : {}),
    };
  }

  async stored(): Promise<StoredRow[]> {
    const { rows } = await this.client.query<
      Omit<StoredRow, "ordinal"> & { id: string }
    >("SELECT id, primary_key AS key, after, context FROM changes ORDER BY id");
    return rows.map(({ id, ...row }) => ({
      ...row,
      ordinal: readChangeId(id).ordinal,
    }));
  }

  async watermark(): Promise<Watermark | undefined> {
    return readWatermark(this.client, source.databaseName, source.slotName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.client.end(), this.beside.end()]);
  }
}
