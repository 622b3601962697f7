/** Renders changes as psql does: a table, or field by field where that is too wide. */
import Table from "cli-table3";

/** A change as text, in the columns of the documented query. */
export interface ChangeRow {
  readonly id: string;
  readonly primary_key: string | null;
  readonly table: string;
  readonly operation: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly context: string | null;
  readonly committed_at: string;
}

const columns = [
  "primary_key",
  "table",
  "operation",
  "before",
  "after",
  "context",
  "committed_at",
] as const;

/** The columns that give way, by wrapping their JSON. */
const isJson = columns.map((c) => /^(before|after|context)$/.test(c));
/** Narrower than this, wrapped JSON is harder to read than a list of fields. */
const leastJsonWidth = 16;
const separator = " | ";

/**
 * @param width of the terminal; without one nothing is wrapped, and each change
 * is one line of a file or pipe
 */
export function renderChanges(
  rows: readonly ChangeRow[],
  width = Number.POSITIVE_INFINITY,
): string {
  const cells = rows.map(cellsOf);
  const natural = columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const widths = wrapWidths(natural, width - columns.length * separator.length);
  if (widths === "too narrow") return renderRecords(cells, width);
  const lines = renderTable(cells, widths, columns);
  // psql underlines the heading alone; but where cells are wrapped, the other
  // lines are what keeps the rows apart.
  const isWrapped = widths.length > 0;
  return lines.filter((_, i) => isWrapped || i < 2 || i % 2 === 0).join("\n");
}

/** One line, for changes that come one by one. */
export function renderChange(row: ChangeRow): string {
  return cellsOf(row).join(separator);
}

/** Widths to wrap at: none where nothing has to be wrapped. */
function wrapWidths(
  natural: readonly number[],
  width: number,
): readonly number[] | "too narrow" {
  if (sum(natural) <= width) return [];
  const json = sum(natural.filter((_, i) => isJson[i]));
  const left = width - (sum(natural) - json);
  // In proportion to their contents, which makes the rows the least high.
  const widths = natural.map((n, i) =>
    isJson[i]
      ? Math.max(Math.floor((left * n) / json), Math.min(n, leastJsonWidth))
      : n,
  );
  const widest = widths.indexOf(
    Math.max(...widths.filter((_, i) => isJson[i])),
  );
  const spare = width - sum(widths);
  const narrowed = (widths[widest] ?? 0) + spare;
  return narrowed < leastJsonWidth
    ? "too narrow"
    : widths.with(widest, narrowed);
}

/** psql's expanded format. */
function renderRecords(rows: readonly string[][], width: number): string {
  const nameWidth = Math.max(...columns.map((column) => column.length));
  const valueWidth = Math.max(
    width - nameWidth - 2 * separator.length,
    leastJsonWidth,
  );
  return rows
    .flatMap((row, i) => [
      `-[ RECORD ${i + 1} ]`.padEnd(width, "-"),
      ...renderTable(
        columns.map((column, c) => [column, row[c] ?? ""]),
        [nameWidth, valueWidth],
      ),
    ])
    .join("\n");
}

function renderTable(
  rows: readonly string[][],
  widths: readonly number[],
  head: readonly string[] = [],
): string[] {
  const table = new Table({
    chars: { ...noFrame, ...(head.length > 0 ? rules : noRules), middle: "|" },
    style: { head: [], border: [] },
    head: [...head],
    colWidths: widths.map((width) => width + 2),
    wordWrap: true,
  });
  table.push(
    ...rows.map((row) => row.map((text, i) => breakWords(text, widths[i]))),
  );
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

const noFrame = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", right: "", "right-mid": "" },
};
const rules = { mid: "-", "mid-mid": "+" };
const noRules = { mid: "", "mid-mid": "" };

/** cli-table3 wraps between words, and cuts a word that is wider than a cell. */
function breakWords(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  // Characters outside ASCII can be two columns wide.
  const length = /^[ -~]*$/.test(text) ? width : Math.floor(width / 2);
  return text.replace(new RegExp(`\\S{${length}}(?=\\S)`, "gu"), "$&\n");
}

/** Data is printed, never obeyed: no control character reaches the terminal. */
function cellsOf(row: ChangeRow): string[] {
  return columns.map((column) =>
    (row[column] ?? "").replace(
      /\p{Cc}/gu,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
