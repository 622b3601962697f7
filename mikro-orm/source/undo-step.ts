/**
 * Changes in the order in which they are undone, and together what has to be
 * undone together: a foreign key's ON DELETE takes rows along after the row that
 * they refer to, so that in reverse order they would come back before it. In one
 * statement the server checks foreign keys when all of them are there.
 */
import { type ChangeRow, titleOf } from "./change-rows";
import { literal } from "./undo-literal";
import {
  columnsOf,
  insertSql,
  refuse,
  type UndoneTable,
  undoStatement,
  wholeRowCheck,
} from "./undo-statement";

export type TableOf = (row: ChangeRow) => UndoneTable;

/** PL/pgSQL for all of them, from the last to the first. */
export function undoSteps(
  inCommitOrder: readonly ChangeRow[],
  tableOf: TableOf,
): readonly string[] {
  const continued = continuedChanges(inCommitOrder);
  const undo: Undo = (row) =>
    undoStatement(row, tableOf(row), continued.has(row));
  return togetherUndone(inCommitOrder)
    .toReversed()
    .map((rows) =>
      rows.length === 1
        ? singleStep(rows[0] as ChangeRow, undo)
        : jointStep(rows, tableOf, undo),
    );
}

type Undo = (row: ChangeRow) => string | undefined;

/** Those from whose result a later one went on. */
function continuedChanges(
  inCommitOrder: readonly ChangeRow[],
): ReadonlySet<ChangeRow> {
  const continued = new Set<ChangeRow>();
  const beginnings = new Set<string>();
  for (const row of inCommitOrder.toReversed()) {
    if (beginnings.has(stateOf(row, row.after))) continued.add(row);
    beginnings.add(stateOf(row, row.before));
  }
  return continued;
}

/** A record in a state, key and all. */
function stateOf({ schema, table }: ChangeRow, json: string): string {
  return JSON.stringify([schema, table, json]);
}

/** A DELETE and what follows it in its transaction, each row once. */
function togetherUndone(rows: readonly ChangeRow[]): ChangeRow[][] {
  const groups: ChangeRow[][] = [];
  let touched = new Set<string>();
  for (const row of rows) {
    const group = groups.at(-1);
    const first = group?.[0];
    const joins =
      first?.operation === "DELETE" &&
      (row.operation === "DELETE" || row.operation === "UPDATE") &&
      isSameTransaction(first, row) &&
      !touched.has(recordOf(row));
    if (joins) group?.push(row);
    else {
      groups.push([row]);
      touched = new Set();
    }
    touched.add(recordOf(row));
  }
  return groups;
}

/** The first half of an id is the commit's position. */
function isSameTransaction(one: ChangeRow, other: ChangeRow): boolean {
  return one.id.slice(0, 18) === other.id.slice(0, 18);
}

function recordOf({ schema, table, primaryKey }: ChangeRow): string {
  return JSON.stringify([schema, table, primaryKey]);
}

function singleStep(row: ChangeRow, undo: Undo): string {
  const statement = undo(row);
  if (statement === undefined)
    return `  -- The ${titleOf(row)} changed nothing that can be written.\n`;
  const check = row.operation === "DELETE" ? wholeRowCheck(row) : undefined;
  return `  -- ${titleOf(row)}
${check ?? ""}  ${statement};
  GET DIAGNOSTICS undone = ROW_COUNT;
  IF undone <> 1 THEN
    RAISE EXCEPTION USING MESSAGE = ${complaint(row)};
  END IF;
`;
}

function jointStep(
  rows: readonly ChangeRow[],
  tableOf: TableOf,
  undo: Undo,
): string {
  const parts = [...insertParts(rows, tableOf), ...updateParts(rows, undo)];
  const queries = parts.map(
    ({ comment, statement }, n) =>
      `u${n + 1} AS (\n  ${comment}\n  ${statement}\n  RETURNING 1)`,
  );
  const cases = parts.map(
    ({ row, count }, n) =>
      `WHEN (SELECT count(*) FROM u${n + 1}) <> ${count} THEN ${complaint(row)}`,
  );
  const deletes = rows.filter(({ operation }) => operation === "DELETE");
  const onePerTable = new Map(
    deletes.map((row) => [JSON.stringify([row.schema, row.table]), row]),
  );
  const checks = [...onePerTable.values()].map((row) => wholeRowCheck(row));
  return `  -- Together, since rows can refer to each other
${checks.join("")}  WITH ${queries.join(", ")}
  SELECT CASE ${cases.join("\n    ")} END INTO complaint;
  IF complaint IS NOT NULL THEN
    RAISE EXCEPTION USING MESSAGE = complaint;
  END IF;
`;
}

interface Part {
  readonly row: ChangeRow;
  readonly comment: string;
  readonly statement: string;
  readonly count: number;
}

/** One for all rows of a table that have the same columns. */
function insertParts(rows: readonly ChangeRow[], tableOf: TableOf): Part[] {
  const deletes = rows.filter(({ operation }) => operation === "DELETE");
  deletes.forEach(refuse);
  const byColumns = new Map<string, ChangeRow[]>();
  for (const row of deletes) {
    const columns = columnsOf(row, tableOf(row));
    const like = JSON.stringify([row.schema, row.table, columns]);
    const others = byColumns.get(like);
    if (others) others.push(row);
    else byColumns.set(like, [row]);
  }
  return [...byColumns.values()].map((some) => {
    const [row] = some as [ChangeRow];
    return {
      row,
      comment: some.map((one) => `-- ${titleOf(one)}`).join("\n  "),
      statement: insertSql(some, tableOf(row)),
      count: some.length,
    };
  });
}

function updateParts(rows: readonly ChangeRow[], undo: Undo): Part[] {
  return rows
    .filter(({ operation }) => operation === "UPDATE")
    .flatMap((row) => {
      const statement = undo(row);
      const comment = `-- ${titleOf(row)}`;
      return statement === undefined
        ? []
        : [{ row, comment, statement, count: 1 }];
    });
}

function complaint(row: ChangeRow): string {
  const found =
    row.operation === "DELETE"
      ? "its row was not put back"
      : "its row is no longer as that change left it";
  return literal(`nothing was undone: ${titleOf(row)}: ${found}`);
}
