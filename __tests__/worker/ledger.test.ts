/** The comparison that the end-to-end tests rest on finds every difference. */
import { compare } from "../../scripts/soak/comparison";
import { Ledger, type LedgerRow } from "../../scripts/soak/ledger";
import type { Change } from "../support/trail";

const rows = ["1", "2", "3"].map(
  (primaryKey): LedgerRow => ({
    table: "ann_item",
    operation: "CREATE",
    primaryKey,
    before: {},
    after: { id: Number(primaryKey) },
    context: { user: "ann" },
  }),
);

const changes = rows.map(
  (row, index): Change => ({
    ...row,
    // Commit LSN 4096, ordinals from 1.
    id: `00000000-0001-8000-8000-0000${["4", "8", "c"][index]}0000001`,
    position: 1n,
  }),
);

function differences(stored: readonly Change[]): readonly string[] {
  const ledger = new Ledger();
  const bounds = { notBefore: 4000n, before: 4100n };
  const transaction = { writer: "ann", marker: 1, rows, rowCount: 3 };
  ledger.transactions.push({ ...transaction, ...bounds });
  return compare(ledger, stored);
}

function edited(at: number, edit: Partial<Change>): Change[] {
  return changes.map((change, index) =>
    index === at ? { ...change, ...edit } : change,
  );
}

test("what was committed, once and in order, is no difference", () => {
  expect(differences(changes)).toEqual([]);
});

test.each<[string, Change[], string]>([
  ["a lost row", changes.slice(0, 2), "missing"],
  ["a doubled row", [...changes, ...changes.slice(2)], "not unique"],
  [
    "a row too many",
    [...changes, ...edited(2, { id: "f" }).slice(2)],
    "was not committed",
  ],
  ["another order", changes.toReversed(), "stored"],
  ["another operation", edited(0, { operation: "UPDATE" }), "stored"],
  [
    "a row of a table that nobody wrote",
    [...changes, ...edited(2, { id: "f", table: "bob_item" }).slice(2)],
    "was not committed",
  ],
  ["another key", edited(0, { primaryKey: "9" }), "stored"],
  ["another old row", edited(0, { before: { id: 1 } }), "stored"],
  ["another new row", edited(0, { after: { id: "1" } }), "stored"],
  ["another context", edited(0, { context: {} }), "stored"],
  [
    "another ordinal",
    edited(2, { id: "00000000-0001-8000-8000-000100000001" }),
    "ordinal 4, not 3",
  ],
  [
    "another commit",
    edited(2, { id: "00000000-0001-8001-8000-0000c0000001" }),
    "2 commits",
  ],
])("%s is one", (_, stored, words) => {
  expect(differences(stored).join("\n")).toContain(words);
});

test("of a long row the values are named that differ, and no others", () => {
  const long = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`column_${n}`, n]),
  );
  const ledger = new Ledger();
  const [row] = rows.map((one) => ({ ...one, after: { ...long, z: 1 } }));
  const stored = edited(0, { after: { ...long, y: 1 } }).slice(0, 1);
  const bounds = { notBefore: 4000n, before: 4100n };
  const transaction = { writer: "ann", marker: 1, rowCount: 1 };
  ledger.transactions.push({
    ...transaction,
    ...bounds,
    rows: row ? [row] : [],
  });
  expect(compare(ledger, stored).join()).toContain(
    'after: stored {"y":1}, committed {"z":1} (',
  );
});

test("a commit at a place where the source did not commit is one", () => {
  const moved = changes.map((change) => ({
    ...change,
    id: change.id.replace("-0001-", "-0002-"),
  }));
  expect(differences(moved).join("\n")).toContain("commit 8192 outside");
});
