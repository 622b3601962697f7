/** Reads rows in COPY's binary format, as they go to the destination. */
import { COPY_COLUMNS } from "../../worker/row/change-row";

/** A row by column names: numbers and times as bigint, the rest as text. */
export type CopyRow = Record<string, string | bigint | null>;

const BIGINT_COLUMNS = [
  "committed_at",
  "queued_at",
  "transaction_id",
  "position",
];
const JSONB_COLUMNS = ["before", "after", "context"];

export function readCopyRows(rows: Buffer): CopyRow[] {
  const result: CopyRow[] = [];
  let at = 0;
  while (at < rows.length) {
    expect(rows.readInt16BE(at)).toBe(COPY_COLUMNS.length);
    at += 2;
    const row: CopyRow = {};
    for (const column of COPY_COLUMNS) {
      const length = rows.readInt32BE(at);
      at += 4;
      const name = column.replaceAll('"', "");
      row[name] =
        length < 0 ? null : value(name, rows.subarray(at, at + length));
      at += Math.max(0, length);
    }
    result.push(row);
  }
  expect(at).toBe(rows.length);
  return result;
}

function value(column: string, bytes: Buffer): string | bigint {
  if (column === "id") return bytes.toString("hex");
  if (BIGINT_COLUMNS.includes(column)) return bytes.readBigInt64BE();
  if (!JSONB_COLUMNS.includes(column)) return bytes.toString();
  expect(bytes[0]).toBe(1);
  return bytes.toString("utf8", 1);
}
