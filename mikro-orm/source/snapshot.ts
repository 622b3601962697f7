/** A row as it was, out of the JSON of a change. */
import { exactValue, textOf } from "./json-text";
import type { Property, Table } from "./tracked-table";

export interface Snapshot<Row extends object> {
  /** By property, or by column for a table without an entity. */
  readonly values: Row;
  /**
   * What the row had and the trail has not: too large, or never sent. Not in
   * `values`, which would show a marker for the value.
   */
  readonly unknown: readonly string[];
}

/** JSON texts by column. */
export type Members = ReadonlyMap<string, string>;

export function snapshotOf(
  table: Table<object>,
  members: Members,
): Snapshot<object> {
  const values: Record<string, unknown> = {};
  const unknown: string[] = [];
  for (const property of table.properties ?? columnsOf(members)) {
    const { name, path = [name], columns } = property;
    const texts = columns.map((column) => members.get(column));
    const known = texts.filter(
      (text) => text !== undefined && markerOf(text) === undefined,
    );
    if (known.length < columns.length) {
      // A column that is not there was added later.
      if (texts.some((text) => text !== undefined))
        unknown.push(path.join("."));
      continue;
    }
    const found = known.map((text) => valueIn(property, text as string));
    put(values, path, columns.length === 1 ? found[0] : found);
  }
  return { values, unknown };
}

function put(
  values: Record<string, unknown>,
  [name = "", ...inner]: readonly string[],
  value: unknown,
): void {
  if (inner.length === 0) values[name] = value;
  else {
    values[name] ??= {};
    put(values[name] as Record<string, unknown>, inner, value);
  }
}

/** Which of the worker's markers for an unknown value this is. */
export function markerOf(
  json: string | undefined,
): "$unchanged" | "$omitted" | undefined {
  return /^\{"(\$unchanged)": ?true\}$|^\{"(\$omitted)": ?\{/
    .exec(json ?? "")
    ?.slice(1)
    .find((name) => name) as "$unchanged" | "$omitted" | undefined;
}

/** The text of json that jsonb cannot hold, where it stands for that. */
export function jsonTextOf(json: string): string | undefined {
  if (!/^\{"\$json_text": ?"/.test(json)) return undefined;
  const { $json_text, ...rest } = JSON.parse(json);
  return Object.keys(rest).length === 0 ? $json_text : undefined;
}

function columnsOf(members: Members): Property[] {
  return [...members.keys()].map((name) => ({
    name,
    columns: [name],
    runtimeType: "any",
    generated: false,
  }));
}

function valueIn({ runtimeType }: Property, json: string): unknown {
  const text = textOf(jsonTextOf(json) ?? json);
  if (json !== "null" && /^-?\d+(\.\d+)?$/.test(text)) {
    if (runtimeType === "string") return text;
    if (runtimeType === "bigint" && !text.includes(".")) return BigInt(text);
  }
  return exactValue(jsonTextOf(json) ?? json);
}
