/**
 * What was committed, row by row, by writers of a mixed load, and whether a
 * trail says exactly that. Each writer has tables of its own, so the order of
 * their history is known and not merely probable.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { parseLsn } from "../../worker/lsn";
import { LedgerDraft, type LedgerRow } from "./ledger-draft";
import { between, pick, type Random, seeded } from "./random";
import { type Change, readChangeId, type Trail } from "./trail";
import { eventually } from "./worker-process";

const MAX_DIFFERENCES = 20;

export interface LedgerTransaction {
  readonly rows: readonly LedgerRow[];
  /** The commit record lies between these; unknown after a lost connection. */
  readonly notBefore: bigint;
  readonly before: bigint | undefined;
}

/** Committed transactions, in the order of each writer. */
export class Ledger {
  readonly transactions: LedgerTransaction[] = [];

  get rowCount(): number {
    return this.transactions.reduce((sum, { rows }) => sum + rows.length, 0);
  }
}

/** DDL of a writer's tables. */
export function ledgerTables(name: string): string {
  return `
    CREATE TABLE ${name}_item (id bigint PRIMARY KEY, text text, number int);
    CREATE TABLE ${name}_commit (id bigint PRIMARY KEY);`;
}

export interface LedgerWriterOptions {
  readonly trail: Trail;
  /** Of the tables that `ledgerTables` made. */
  readonly name: string;
  readonly seed: number;
  readonly ledger: Ledger;
  /** Rest between transactions, so that two cores are enough. */
  readonly maxPauseMs?: number;
}

export class LedgerWriter {
  readonly #options: LedgerWriterOptions;
  readonly #random: Random;
  #items: ReadonlyMap<number, LedgerItem> = new Map();
  #nextId = 1;
  #transactions = 0;

  constructor(options: LedgerWriterOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
  }

  get transactions(): number {
    return this.#transactions;
  }

  /** Writes until `signal`, across crashes of the source. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#transaction();
      await sleep(this.#random() * (this.#options.maxPauseMs ?? 4));
    }
  }

  /** One transaction, whose outcome is known when it returns. */
  async #transaction(): Promise<void> {
    const { trail, ledger, name } = this.#options;
    const marker = this.#nextId++;
    const client = await eventually(
      "the source takes connections",
      () => this.#connection(),
      60_000,
    );
    const draft = new LedgerDraft(client, this.#items);
    let notBefore: bigint | undefined;
    let before: bigint | undefined;
    try {
      await client.query("BEGIN");
      await draft.insert(`${name}_commit`, [{ id: marker }]);
      await this.#work(draft);
      if (this.#random() < 0.1) {
        await client.query("ROLLBACK");
        return;
      }
      const { rows } = await client.query<{ lsn: string }>(
        "SELECT pg_current_wal_insert_lsn()::text AS lsn",
      );
      notBefore = parseLsn(String(rows[0]?.lsn));
      const results = (await client.query(
        "COMMIT; SELECT pg_current_wal_insert_lsn()::text AS lsn",
      )) as unknown as { rows: { lsn: string }[] }[];
      before = parseLsn(String(results[1]?.rows[0]?.lsn));
    } catch (error) {
      if (!this.#lost) throw error;
      // Before COMMIT was sent nothing was committed; after it, only the
      // source knows.
      if (notBefore === undefined) return;
      const { there } = await eventually(
        "the outcome of a commit",
        () =>
          trail.source.one<{ there: boolean }>(
            `SELECT EXISTS (SELECT FROM ${name}_commit WHERE id = $1) AS there`,
            [marker],
          ),
        60_000,
      );
      if (!there) return;
    }
    this.#items = draft.items;
    this.#transactions++;
    ledger.transactions.push({ rows: draft.rows(), notBefore, before });
  }

  #client: Awaited<ReturnType<Trail["client"]>> | undefined;
  #lost = true;

  async #connection() {
    if (this.#client && !this.#lost) return this.#client;
    const client = await this.#options.trail.client();
    client.once("end", () => {
      this.#lost = true;
    });
    client.on("error", () => {
      this.#lost = true;
    });
    this.#client = client;
    this.#lost = false;
    return client;
  }

  async #work(draft: LedgerDraft): Promise<void> {
    const kinds = ["single", "single", "single", "several", "copy"] as const;
    const steps = { single: 1, several: between(this.#random, 2, 6), copy: 1 };
    const kind = pick(this.#random, kinds);
    // The context comes before the rows, after them, or not at all.
    const place = pick(this.#random, ["before", "before", "after", "none"]);
    if (place === "before") await draft.context(this.#context());
    if (kind === "copy") {
      await draft.copy(
        this.#table,
        this.#newItems(between(this.#random, 5, 60)),
      );
    }
    for (let step = 0; step < steps[kind]; step++) await this.#step(draft);
    if (place === "after") await draft.context(this.#context());
  }

  async #step(draft: LedgerDraft): Promise<void> {
    const random = this.#random;
    const table = this.#table;
    const known = [...draft.items.keys()];
    const dice = random();
    if (known.length < 5 || (dice < 0.35 && known.length < 300)) {
      await draft.insert(table, this.#newItems(between(random, 1, 4)));
    } else if (dice < 0.6) {
      const id = pick(random, known);
      await draft.update(table, id, { ...this.#values(), id });
    } else if (dice < 0.65) {
      const id = this.#nextId++;
      await draft.update(table, pick(random, known), { ...this.#values(), id });
    } else if (dice < 0.85) {
      await draft.delete(table, pick(random, known));
    } else if (dice < 0.9) {
      await draft.context(this.#context());
    } else {
      const undone = random() < 0.7;
      await draft.savepoint(undone, async () => {
        await draft.context(this.#context());
        await draft.insert(table, this.#newItems(2));
      });
    }
  }

  get #table(): string {
    return `${this.#options.name}_item`;
  }

  #context(): object {
    return { user: this.#options.name, request: this.#nextId++ };
  }

  #values() {
    const length = between(this.#random, 0, 120);
    return {
      text: `${this.#nextId}é`.repeat(length).slice(0, length),
      number: this.#random() < 0.1 ? null : between(this.#random, -1e9, 1e9),
    };
  }

  #newItems(count: number): LedgerItem[] {
    return Array.from({ length: count }, () => ({
      id: this.#nextId++,
      ...this.#values(),
    }));
  }
}

type LedgerItem = Readonly<{ id: number; [column: string]: unknown }>;

export interface Load extends AsyncDisposable {
  readonly ledger: Ledger;
  /** Waits until this many more transactions are committed. */
  more(transactions: number): Promise<void>;
  finish(): Promise<Ledger>;
}

/** Writers that run beside what a test does, until `finish`. */
export function startLoad(
  trail: Trail,
  names: readonly string[],
  options: { readonly seed: number; readonly maxPauseMs?: number },
): Load {
  const ledger = new Ledger();
  const stop = new AbortController();
  const { seed, ...rest } = options;
  const running = Promise.all(
    names.map((name, index) =>
      new LedgerWriter({
        ...rest,
        trail,
        name,
        ledger,
        seed: seed + index,
      }).run(stop.signal),
    ),
  );
  running.catch(() => undefined);
  return {
    ledger,
    async more(transactions) {
      const wanted = ledger.transactions.length + transactions;
      await eventually(
        `${transactions} more transactions`,
        async () => ledger.transactions.length >= wanted,
        60_000,
      );
    },
    async finish() {
      stop.abort();
      await running;
      return ledger;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running.catch(() => undefined);
    },
  };
}

/**
 * Waits until the last transaction of each table has arrived, then compares
 * all changes, or those for which `where` is true.
 */
export async function settle(
  trail: Trail,
  ledger: Ledger,
  timeoutMs?: number,
  where?: string,
): Promise<void> {
  const last = new Map<string, string>();
  for (const { table, primaryKey } of ledger.transactions.map(markerOf)) {
    last.set(table, primaryKey);
  }
  await eventually(
    "the last committed transactions are stored",
    async () => {
      for (const [table, key] of last) {
        const found = await trail.count(
          `"table" = '${table}' AND primary_key = '${key}'`,
        );
        if (found === 0) return false;
      }
      return true;
    },
    timeoutMs,
  );
  expect(compare(ledger, await trail.changes(where))).toEqual([]);
}

function markerOf({ rows }: LedgerTransaction): LedgerRow {
  const [first] = rows;
  if (!first) throw new Error("every transaction has a marker");
  return first;
}

/** What differs, in words; empty when the trail is what was committed. */
export function compare(ledger: Ledger, changes: readonly Change[]): string[] {
  const differences: string[] = [];
  const ids = new Set(changes.map(({ id }) => id));
  if (ids.size !== changes.length) {
    differences.push(`${changes.length - ids.size} ids are not unique`);
  }
  const histories = byTable(changes);
  const read = new Map<string, number>();
  for (const transaction of ledger.transactions) {
    const commits = new Set<bigint>();
    transaction.rows.forEach((row, index) => {
      const at = read.get(row.table) ?? 0;
      read.set(row.table, at + 1);
      const change = histories.get(row.table)?.[at];
      const problem = differenceOf(row, change);
      if (problem) differences.push(`${row.table} #${at}: ${problem}`);
      if (!change) return;
      const { commitLsn, ordinal } = readChangeId(change.id);
      commits.add(commitLsn);
      if (ordinal !== index + 1) {
        differences.push(`${change.id}: ordinal ${ordinal}, not ${index + 1}`);
      }
    });
    differences.push(...misplaced(transaction, commits));
    if (differences.length > MAX_DIFFERENCES) return differences;
  }
  for (const [table, history] of histories) {
    const extra = history.length - (read.get(table) ?? 0);
    if (extra > 0) {
      differences.push(`${table}: ${extra} changes that were not committed`);
    }
  }
  return differences;
}

function byTable(changes: readonly Change[]): Map<string, Change[]> {
  const histories = new Map<string, Change[]>();
  for (const change of changes) {
    const history = histories.get(change.table);
    if (history) history.push(change);
    else histories.set(change.table, [change]);
  }
  return histories;
}

function differenceOf(row: LedgerRow, change: Change | undefined) {
  if (!change) return `missing ${JSON.stringify(row)}`;
  const { table, operation, primaryKey, before, after, context } = change;
  const got = { table, operation, primaryKey, before, after, context };
  if (isDeepStrictEqual(got, { ...row })) return undefined;
  return `committed ${JSON.stringify(row)}, stored ${JSON.stringify(got)}`;
}

/** A transaction has one commit, and the source knows where it was. */
function misplaced(
  { notBefore, before }: LedgerTransaction,
  commits: ReadonlySet<bigint>,
): string[] {
  if (commits.size > 1) return [`one transaction, ${commits.size} commits`];
  for (const commit of commits) {
    if (commit < notBefore || (before !== undefined && commit >= before)) {
      return [`commit ${commit} outside ${notBefore}…${before}`];
    }
  }
  return [];
}
