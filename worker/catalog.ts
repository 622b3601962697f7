/**
 * The side connection: catalogue look-ups while the stream runs. Losing it
 * never stops the stream; the next look-up connects again.
 */
import type { Client } from "pg";

const LOOKUP_TIMEOUT_MS = 5_000;

export class Catalog implements AsyncDisposable {
  readonly #connect: () => Promise<Client>;
  #client: Promise<Client> | undefined;

  /** `connect` gives a new connection to the source each time. */
  constructor(connect: () => Promise<Client>) {
    this.#connect = connect;
  }

  /** Names of the primary key's columns in key order; empty without one. */
  async primaryKey(oid: number): Promise<readonly string[]> {
    const rows = await this.query<{ name: string }>(
      `SELECT a.attname AS name
         FROM pg_index i
        CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE i.indrelid = ${oid} AND i.indisprimary AND k.place <= i.indnkeyatts
        ORDER BY k.place`,
    );
    return rows.map((row) => row.name);
  }

  /** Rows of a catalogue query, which must be quick. */
  async query<Row extends object>(sql: string): Promise<readonly Row[]> {
    this.#client ??= this.#open();
    try {
      const client = await this.#client;
      return (await client.query<Row>(sql)).rows;
    } catch (error) {
      // Also after a timeout: the next look-up starts on a fresh connection.
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(): Promise<Client> {
    const client = await this.#connect();
    await client.query(`SET statement_timeout = ${LOOKUP_TIMEOUT_MS}`);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.then((open) => open.end()).catch(() => undefined);
  }
}
