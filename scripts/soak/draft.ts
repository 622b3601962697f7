/**
 * A transaction under way: does each step at the source and notes what it will
 * have meant if it commits.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Client, escapeLiteral } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { LedgerRow, Operation } from "./ledger";

export type Item = Readonly<{ id: number; [column: string]: unknown }>;
export type ColumnType = "int" | "text";

/** Of a writer's table of items, whose rows and columns come and go. */
export interface ItemTable {
  readonly items: ReadonlyMap<number, Item>;
  /** All but `id`. */
  readonly columns: ReadonlyMap<string, ColumnType>;
}

type Change = Omit<LedgerRow, "context">;

/** Changes, or a context from here on. */
type Event =
  | { readonly changes: Iterable<Change>; readonly count: number }
  | { readonly context: object };

export class LedgerDraft {
  items: Map<number, Item>;
  columns: Map<string, ColumnType>;
  readonly #client: Client;
  readonly #table: string;
  #events: Event[] = [];

  /** `table`: the name of the table of items. */
  constructor(client: Client, table: string, state: ItemTable) {
    this.#client = client;
    this.#table = table;
    this.items = new Map(state.items);
    this.columns = new Map(state.columns);
  }

  get rowCount(): number {
    return this.#events.reduce(
      (sum, event) => sum + ("count" in event ? event.count : 0),
      0,
    );
  }

  /** The rows if it commits, rendered anew each time they are read. */
  get rows(): Iterable<LedgerRow> {
    const events = this.#events;
    return { [Symbol.iterator]: () => readRows(events) };
  }

  async context(context: object): Promise<void> {
    await this.#client.query(
      "SELECT pg_logical_emit_message(true, '_bemi', $1)",
      [JSON.stringify(context)],
    );
    this.#events.push({ context });
  }

  async insert(
    table: string,
    items: readonly Readonly<Record<string, unknown>>[],
    key = "id",
  ): Promise<void> {
    const columns = Object.keys(items[0] ?? {});
    const places = items.map(
      (_, row) =>
        `(${columns.map((_, column) => `$${row * columns.length + column + 1}`)})`,
    );
    await this.#client.query(
      `INSERT INTO ${table} (${columns}) VALUES ${places}`,
      items.flatMap((item) => columns.map((column) => item[column])),
    );
    this.#inserted(table, items, key);
  }

  async copy(table: string, items: readonly Item[]): Promise<void> {
    const columns = Object.keys(items[0] ?? {});
    const lines = items.map((item) =>
      columns
        .map((column) => item[column] ?? "\\N")
        .join("\t")
        .concat("\n"),
    );
    await pipeline(
      Readable.from(lines),
      this.#client.query(copyFrom(`COPY ${table} (${columns}) FROM STDIN`)),
    );
    this.#inserted(table, items, "id");
  }

  /** So many rows that the ledger does not keep them, but how to make them. */
  async bulk(table: string, firstId: number, count: number): Promise<void> {
    await this.#client.query(
      `INSERT INTO ${table} SELECT id, 'bulk ' || id, id % 1000 FROM generate_series($1::bigint, $2::bigint) id`,
      [firstId, firstId + count - 1],
    );
    this.#events.push({ count, changes: bulkRows(table, firstId, count) });
  }

  async update(id: number, after: Item): Promise<void> {
    const columns = Object.keys(after);
    await this.#client.query(
      `UPDATE ${this.#table} SET ${columns.map((name, at) => `${name} = $${at + 2}`)} WHERE id = $1`,
      [id, ...columns.map((name) => after[name])],
    );
    const before = this.#item(id);
    this.items.delete(id);
    this.items.set(after.id, after);
    this.#note(this.#table, "UPDATE", after.id, { before, after });
  }

  async delete(id: number): Promise<void> {
    await this.#client.query(`DELETE FROM ${this.#table} WHERE id = $1`, [id]);
    const before = this.#item(id);
    this.items.delete(id);
    this.#note(this.#table, "DELETE", id, { before });
  }

  async truncate(tables: readonly string[]): Promise<void> {
    await this.#client.query(`TRUNCATE ${tables}`);
    for (const table of tables) {
      if (table === this.#table) this.items.clear();
      this.#note(table, "TRUNCATE", null, {});
    }
  }

  async addColumn(name: string, initial: number): Promise<void> {
    await this.#alter(`ADD COLUMN ${name} int DEFAULT ${initial}`);
    this.columns.set(name, "int");
    this.#eachItem((item) => ({ ...item, [name]: initial }));
  }

  async dropColumn(name: string): Promise<void> {
    await this.#alter(`DROP COLUMN ${name}`);
    this.columns.delete(name);
    this.#eachItem(({ [name]: _, id, ...rest }) => ({ id, ...rest }));
  }

  async renameColumn(name: string, other: string): Promise<void> {
    await this.#alter(`RENAME COLUMN ${name} TO ${other}`);
    this.columns.set(other, this.columns.get(name) ?? "int");
    this.columns.delete(name);
    this.#eachItem(({ [name]: value, id, ...rest }) => ({
      id,
      ...rest,
      [other]: value,
    }));
  }

  /** A number becomes a text, and the table is written anew. */
  async changeType(name: string): Promise<void> {
    await this.#alter(
      `ALTER COLUMN ${name} DROP DEFAULT, ALTER COLUMN ${name} TYPE text`,
    );
    this.columns.set(name, "text");
    this.#eachItem((item) => {
      const value = item[name];
      return { ...item, [name]: value === null ? null : String(value) };
    });
  }

  async createTable(table: string): Promise<void> {
    await this.#client.query(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, text text)`,
    );
  }

  /** What `steps` do is undone, or kept. */
  async savepoint(undone: boolean, steps: () => Promise<void>): Promise<void> {
    const { items, columns } = this;
    const events = [...this.#events];
    this.items = new Map(items);
    this.columns = new Map(columns);
    await this.#client.query("SAVEPOINT here");
    await steps();
    if (!undone) {
      await this.#client.query("RELEASE SAVEPOINT here");
      return;
    }
    await this.#client.query("ROLLBACK TO SAVEPOINT here");
    this.items = items;
    this.columns = columns;
    this.#events = events;
  }

  /** PREPARE TRANSACTION; whether it commits is said later. */
  async prepare(name: string): Promise<void> {
    await this.#client.query(`PREPARE TRANSACTION ${escapeLiteral(name)}`);
  }

  async #alter(what: string): Promise<void> {
    await this.#client.query(`ALTER TABLE ${this.#table} ${what}`);
  }

  #eachItem(change: (item: Item) => Item): void {
    for (const [id, item] of this.items) this.items.set(id, change(item));
  }

  #item(id: number): Item {
    const item = this.items.get(id);
    if (!item) throw new Error(`no row ${id}`);
    return item;
  }

  #inserted(
    table: string,
    rows: readonly Readonly<Record<string, unknown>>[],
    key: string,
  ): void {
    for (const row of rows) {
      const id = Number(row[key]);
      if (table === this.#table) this.items.set(id, { ...row, id });
      this.#note(table, "CREATE", id, { after: row });
    }
  }

  #note(
    table: string,
    operation: Operation,
    id: number | null,
    { before = {}, after = {} }: { before?: object; after?: object },
  ): void {
    const primaryKey = id === null ? null : String(id);
    this.#events.push({
      count: 1,
      changes: [{ table, operation, primaryKey, before, after }],
    });
  }
}

/**
 * A row has the context of the nearest message before it, or of the first one
 * after it when none came before.
 */
function* readRows(events: readonly Event[]): Generator<LedgerRow> {
  const first = events.find((event) => "context" in event);
  let context: object = first && "context" in first ? first.context : {};
  for (const event of events) {
    if ("context" in event) context = event.context;
    else for (const change of event.changes) yield { ...change, context };
  }
}

function bulkRows(
  table: string,
  firstId: number,
  count: number,
): Iterable<Change> {
  return {
    *[Symbol.iterator]() {
      for (let id = firstId; id < firstId + count; id++) {
        yield {
          table,
          operation: "CREATE",
          primaryKey: String(id),
          before: {},
          after: { id, text: `bulk ${id}`, number: id % 1000 },
        };
      }
    },
  };
}
