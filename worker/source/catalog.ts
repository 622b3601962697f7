/**
 * The side connection: catalogue look-ups while the stream runs. Losing it
 * never stops the stream; the next look-up connects again.
 */
import type { Client } from "pg";
import type { NamedTable } from "../settings/tables";
import { errorCode } from "../sql-state";

const LOOKUP_TIMEOUT_MS = 5_000;
/** An answer like any other; the connection is as good as before. */
const NO_PRIVILEGE = "42501";

export interface CatalogTable {
  /** Names of the primary key's columns in key order; empty without one. */
  readonly primaryKey: readonly string[];
  /** It has no rows of its own: only a publication via the root names it. */
  readonly partitioned: boolean;
  /** Of a partition: its parent, and so on up to the root. */
  readonly ancestors: readonly NamedTable[];
}

export class Catalog implements AsyncDisposable {
  readonly #connect: () => Promise<Client>;
  #client: Promise<Client> | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** `connect` gives a new connection to the source each time. */
  constructor(connect: () => Promise<Client>) {
    this.#connect = connect;
  }

  /** A table as it is now; undefined when it is gone. */
  async table(oid: number): Promise<CatalogTable | undefined> {
    const [table] = await this.query<CatalogTable>(`
      SELECT
        ARRAY(SELECT a.attname::text
                FROM pg_index i
               CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
               WHERE i.indrelid = t.oid AND i.indisprimary AND k.place <= i.indnkeyatts
               ORDER BY k.place) AS "primaryKey",
        (SELECT coalesce(json_agg(json_build_object('schema', n.nspname, 'name', c.relname)), '[]')
           FROM pg_partition_ancestors(t.oid) p
           JOIN pg_class c ON c.oid = p.relid AND c.oid <> t.oid
           JOIN pg_namespace n ON n.oid = c.relnamespace) AS ancestors,
        t.relkind = 'p' AS partitioned
        FROM pg_class t WHERE t.oid = ${oid}`);
    return table;
  }

  /** Encoding of the database, by PostgreSQL's name. */
  async serverEncoding(): Promise<string> {
    const [row] = await this.query<{ server_encoding: string }>(
      "SHOW server_encoding",
    );
    return row?.server_encoding ?? "UTF8";
  }

  /** Rows of a catalogue query, which must be quick; one after the other. */
  query<Row extends object>(sql: string): Promise<readonly Row[]> {
    const answer = this.#queue.then(() => this.#query<Row>(sql));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  async #query<Row extends object>(sql: string): Promise<readonly Row[]> {
    const wasOpen = this.#client !== undefined;
    this.#client ??= this.#open();
    try {
      const client = await this.#client;
      return (await client.query<Row>(sql)).rows;
    } catch (error) {
      if (errorCode(error) === NO_PRIVILEGE) throw error;
      // Also after a timeout: the next look-up starts on a fresh connection.
      await this[Symbol.asyncDispose]();
      // One that died while nobody used it costs no table its key.
      if (wasOpen) return this.#query<Row>(sql);
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
