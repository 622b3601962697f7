/**
 * Whether a trail says exactly what was committed: every row once, in order,
 * with its values, its number in its transaction and its transaction's place.
 * Each writer has tables of its own, so its history is known and not probable.
 */
import { isDeepStrictEqual } from "node:util";
import type { Ledger, LedgerRow, LedgerTransaction } from "./ledger";

const MAX_DIFFERENCES = 20;
/** Of a value in a difference: enough to know it by. */
const MAX_VALUE_LENGTH = 160;

/** A row of `changes`, as far as it is compared. */
export interface StoredChange {
  readonly id: string;
  readonly table: string;
  readonly operation: string;
  readonly primaryKey: string | null;
  readonly before: unknown;
  readonly after: unknown;
  readonly context: unknown;
}

const FIELDS = [
  "table",
  "operation",
  "primaryKey",
  "before",
  "after",
  "context",
] as const;

/** Takes the changes in the order of their ids, however many. */
export class Comparison {
  readonly differences: string[] = [];
  readonly #histories: ReadonlyMap<string, History>;
  #lastId = "";
  /** Changes so far, by operation. */
  readonly compared = new Map<string, number>();

  constructor(ledger: Ledger) {
    const writers = [...ledger.last.keys()];
    this.#histories = new Map(
      writers.map((writer) => [
        writer,
        new History(ledger.transactions.filter((one) => one.writer === writer)),
      ]),
    );
  }

  add(change: StoredChange): void {
    const { operation } = change;
    this.compared.set(operation, (this.compared.get(operation) ?? 0) + 1);
    if (change.id === this.#lastId) this.#differ(change, "id is not unique");
    this.#lastId = change.id;
    const history = this.#historyOf(change.table);
    const expected = history?.next();
    if (!history || !expected) {
      this.#differ(change, "was not committed");
      return;
    }
    const { row, ordinal, transaction } = expected;
    for (const field of FIELDS) {
      if (isDeepStrictEqual(change[field], row[field])) continue;
      const [stored, committed] = differingMembers(change[field], row[field]);
      this.#differ(
        change,
        `${field}: stored ${shown(stored)}, committed ${shown(committed)} (${nameOf(row)})`,
      );
    }
    const id = readChangeId(change.id);
    if (id.ordinal !== ordinal) {
      this.#differ(change, `ordinal ${id.ordinal}, not ${ordinal}`);
    }
    const { notBefore, before } = transaction;
    history.commitLsn ??= id.commitLsn;
    if (history.commitLsn !== id.commitLsn) {
      this.#differ(change, "one transaction, 2 commits");
    } else if (id.commitLsn < notBefore || id.commitLsn >= before) {
      this.#differ(
        change,
        `commit ${id.commitLsn} outside ${notBefore}…${before}`,
      );
    }
  }

  /** What differs, in words; empty when the trail is what was committed. */
  finish(): readonly string[] {
    for (const [writer, history] of this.#histories) {
      const next = history.next();
      if (!next) continue;
      this.differences.push(
        `${writer}: missing ${nameOf(next.row)} and what follows`,
      );
    }
    return this.differences;
  }

  /** After so many it says nothing new. */
  get isHopeless(): boolean {
    return this.differences.length >= MAX_DIFFERENCES;
  }

  #historyOf(table: string): History | undefined {
    const own = [...this.#histories.keys()].filter((writer) =>
      table.startsWith(`${writer}_`),
    );
    // "back_again" is not "back".
    const writer = own.sort((a, b) => b.length - a.length)[0];
    return writer === undefined ? undefined : this.#histories.get(writer);
  }

  #differ(change: StoredChange, what: string): void {
    this.differences.push(`${change.id} ${nameOf(change)}: ${what}`);
  }
}

/** All changes at once. */
export function compare(
  ledger: Ledger,
  changes: Iterable<StoredChange>,
): readonly string[] {
  const comparison = new Comparison(ledger);
  for (const change of changes) {
    comparison.add(change);
    if (comparison.isHopeless) return comparison.differences;
  }
  return comparison.finish();
}

interface Expected {
  readonly row: LedgerRow;
  /** From 1, in the transaction. */
  readonly ordinal: number;
  readonly transaction: LedgerTransaction;
}

/** One writer's rows, one after the other. */
class History {
  /** Of the transaction that is being read. */
  commitLsn: bigint | undefined;
  readonly #rows: Iterator<Expected>;

  constructor(transactions: readonly LedgerTransaction[]) {
    this.#rows = this.#read(transactions);
  }

  next(): Expected | undefined {
    const { done, value } = this.#rows.next();
    return done ? undefined : value;
  }

  *#read(transactions: readonly LedgerTransaction[]): Generator<Expected> {
    for (const transaction of transactions) {
      this.commitLsn = undefined;
      let ordinal = 0;
      for (const row of transaction.rows) {
        ordinal++;
        yield { row, ordinal, transaction };
      }
    }
  }
}

/** Commit LSN and ordinal out of a change's id. */
export function readChangeId(id: string): {
  readonly commitLsn: bigint;
  readonly ordinal: number;
} {
  const hex = id.replaceAll("-", "");
  const low = BigInt(`0x${hex.slice(16)}`);
  return {
    commitLsn: BigInt(`0x${hex.slice(0, 12)}${hex.slice(13, 16)}`),
    ordinal: Number((low >> 30n) & 0xffffffffn),
  };
}

function nameOf({
  table,
  operation,
  primaryKey,
}: Pick<StoredChange, "table" | "operation" | "primaryKey">): string {
  return `${operation} of ${table} ${primaryKey ?? ""}`.trimEnd();
}

/** Of two objects what differs: the rest would push it out of sight. */
function differingMembers(one: unknown, other: unknown): [unknown, unknown] {
  if (!isObject(one) || !isObject(other)) return [one, other];
  const differing = (from: object, to: object) => {
    const members = new Map(Object.entries(to));
    return Object.fromEntries(
      Object.entries(from).filter(
        ([name, value]) =>
          !members.has(name) || !isDeepStrictEqual(value, members.get(name)),
      ),
    );
  };
  return [differing(one, other), differing(other, one)];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_VALUE_LENGTH
    ? `${text.slice(0, MAX_VALUE_LENGTH)}…`
    : text;
}
