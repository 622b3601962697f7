/**
 * A mixed load beside what a test does, and the promise of the kit: what was
 * committed is in the trail, once and in order.
 */

import { eventually } from "../../scripts/eventually";
import { compare } from "../../scripts/soak/comparison";
import { Ledger } from "../../scripts/soak/ledger";
import { tablesOf } from "../../scripts/soak/mix";
import { LedgerWriter } from "../../scripts/soak/writer";
import type { Trail } from "./trail";

/** DDL of a writer's tables. */
export function ledgerTables(name: string): string {
  return tablesOf(name);
}

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
        connect: () => trail.client(),
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
 * Waits until the last transaction of each writer has arrived, then compares
 * all changes, or those for which `where` is true.
 */
export async function settle(
  trail: Trail,
  ledger: Ledger,
  { timeoutMs, where }: { timeoutMs?: number; where?: string } = {},
): Promise<void> {
  await eventually(
    "the last committed transactions are stored",
    async () => {
      for (const [writer, marker] of ledger.last) {
        const found = await trail.count(
          `"table" = '${writer}_commit' AND primary_key = '${marker}'`,
        );
        if (found === 0) return false;
      }
      return true;
    },
    timeoutMs,
  );
  expect(compare(ledger, await trail.changes(where))).toEqual([]);
}
