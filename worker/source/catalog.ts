/**
 * The side connection: catalogue look-ups while the stream runs. Losing it
 * never stops the stream; the next look-up connects again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { NamedTable } from "../settings/tables";
import { errorCode } from "../sql-state";

const LOOKUP_TIMEOUT_MS = 5_000;
const VISIBILITY_POLL_MS = 10;
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

  /**
   * A table as it is now, with all that the transaction did whose rows are being
   * read; undefined when it is gone. The stream has a transaction from its commit
   * record on, which is written before anyone else sees what it did, by as much
   * as a synchronous standby takes: a table that it made would be gone, and its
   * rows without a key for good.
   */
  async table(
    oid: number,
    transactionId: number | undefined,
  ): Promise<CatalogTable | undefined> {
    const deadline = Date.now() + LOOKUP_TIMEOUT_MS;
    for (;;) {
      const [found] = await this.query<CatalogTable & Found>(
        tableSql(oid, transactionId),
      );
      if (found?.visible) return found.exists ? found : undefined;
      if (Date.now() > deadline)
        throw new Error(
          `transaction ${transactionId} is in the log and not yet visible: it may be waiting for a synchronous standby`,
        );
      await sleep(VISIBILITY_POLL_MS);
    }
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

interface Found {
  readonly exists: boolean;
  readonly visible: boolean;
}

function tableSql(oid: number, transactionId: number | undefined): string {
  return `
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
        coalesce(t.relkind = 'p', false) AS partitioned,
        t.oid IS NOT NULL AS exists,
        ${transactionId === undefined ? "true" : visibleSql(transactionId)} AS visible
        FROM (SELECT) AS one LEFT JOIN pg_class t ON t.oid = ${oid}`;
}

/** The stream's transaction ids have 32 bits; the next one's 64 say which it is. */
function visibleSql(transactionId: number): string {
  return `(SELECT ago < 2147483648 AND pg_visible_in_snapshot((next - ago)::text::xid8, pg_current_snapshot())
           FROM (SELECT next, (next - ${transactionId}) & 4294967295 AS ago
                   FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next) AS x) AS x)`;
}
