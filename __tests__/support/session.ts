/** A client that connects again after its server was stopped and started. */
import type { Client, QueryResultRow } from "pg";
import type { Cluster } from "../../scripts/cluster";

export class Session implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #database: string;
  #client: Promise<Client> | undefined;

  constructor(cluster: Cluster, database: string) {
    this.#cluster = cluster;
    this.#database = database;
  }

  /** Rows of a query; after a failure the next one has a new connection. */
  async query<Row extends QueryResultRow = Record<string, unknown>>(
    text: string,
    values?: unknown[],
  ): Promise<Row[]> {
    this.#client ??= this.#cluster.client(this.#database);
    try {
      const client = await this.#client;
      return (await client.query<Row>(text, values)).rows;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The only row. */
  async one<Row extends QueryResultRow = Record<string, unknown>>(
    text: string,
    values?: unknown[],
  ): Promise<Row> {
    const [row] = await this.query<Row>(text, values);
    if (!row) throw new Error(`no row: ${text}`);
    return row;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.then((open) => open.end()).catch(() => undefined);
  }
}
