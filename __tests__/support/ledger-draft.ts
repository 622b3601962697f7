/**
 * A transaction under way: does each step at the source and notes what it will
 * have meant if it commits.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";

export interface LedgerRow {
  readonly table: string;
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly primaryKey: string;
  readonly before: object;
  readonly after: object;
  readonly context: object;
}

export type Item = Readonly<{ id: number; [column: string]: unknown }>;

/** A change, or a context from here on. */
type Event =
  | { readonly change: Omit<LedgerRow, "context"> }
  | { readonly context: object };

export class LedgerDraft {
  readonly #client: Client;
  /** Rows of the table `…_item` as this transaction sees them. */
  items: Map<number, Item>;
  #events: Event[] = [];

  constructor(client: Client, items: ReadonlyMap<number, Item>) {
    this.#client = client;
    this.items = new Map(items);
  }

  /**
   * The rows if it commits. A row has the context of the nearest message before
   * it, or of the first one after it when none came before.
   */
  rows(): LedgerRow[] {
    const first = this.#events.find((event) => "context" in event);
    let context: object = first && "context" in first ? first.context : {};
    const rows: LedgerRow[] = [];
    for (const event of this.#events) {
      if ("context" in event) context = event.context;
      else rows.push({ ...event.change, context });
    }
    return rows;
  }

  async context(context: object): Promise<void> {
    await this.#client.query(
      "SELECT pg_logical_emit_message(true, '_bemi', $1)",
      [JSON.stringify(context)],
    );
    this.#events.push({ context });
  }

  async insert(table: string, items: readonly Item[]): Promise<void> {
    const columns = Object.keys(items[0] ?? {});
    const places = items.map(
      (_, row) =>
        `(${columns.map((_, column) => `$${row * columns.length + column + 1}`)})`,
    );
    await this.#client.query(
      `INSERT INTO ${table} (${columns}) VALUES ${places}`,
      items.flatMap((item) => columns.map((column) => item[column])),
    );
    this.#inserted(table, items);
  }

  async copy(table: string, items: readonly Item[]): Promise<void> {
    const lines = items.map(({ id, text, number }) =>
      [id, text, number ?? "\\N"].join("\t").concat("\n"),
    );
    await pipeline(
      Readable.from(lines),
      this.#client.query(
        copyFrom(`COPY ${table} (id, text, number) FROM STDIN`),
      ),
    );
    this.#inserted(table, items);
  }

  async update(table: string, id: number, after: Item): Promise<void> {
    await this.#client.query(
      `UPDATE ${table} SET id = $2, text = $3, number = $4 WHERE id = $1`,
      [id, after.id, after.text, after.number],
    );
    const before = this.#item(id);
    this.items.delete(id);
    this.items.set(after.id, after);
    this.#note(table, "UPDATE", after.id, before, after);
  }

  async delete(table: string, id: number): Promise<void> {
    await this.#client.query(`DELETE FROM ${table} WHERE id = $1`, [id]);
    const before = this.#item(id);
    this.items.delete(id);
    this.#note(table, "DELETE", id, before, {});
  }

  /** What `steps` do is undone, or kept. */
  async savepoint(undone: boolean, steps: () => Promise<void>): Promise<void> {
    const items = new Map(this.items);
    const events = [...this.#events];
    await this.#client.query("SAVEPOINT here");
    await steps();
    if (!undone) {
      await this.#client.query("RELEASE SAVEPOINT here");
      return;
    }
    await this.#client.query("ROLLBACK TO SAVEPOINT here");
    this.items = items;
    this.#events = events;
  }

  #item(id: number): Item {
    const item = this.items.get(id);
    if (!item) throw new Error(`no row ${id}`);
    return item;
  }

  #inserted(table: string, items: readonly Item[]): void {
    for (const item of items) {
      // A marker's table is not worked on.
      if ("text" in item) this.items.set(item.id, item);
      this.#note(table, "CREATE", item.id, {}, item);
    }
  }

  #note(
    table: string,
    operation: LedgerRow["operation"],
    id: number,
    before: object,
    after: object,
  ): void {
    const primaryKey = String(id);
    this.#events.push({
      change: { table, operation, primaryKey, before, after },
    });
  }
}
