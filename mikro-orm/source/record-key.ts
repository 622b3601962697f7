/** A record's key, in the forms that `changes` has it in. */
import { textOf } from "./json-text";
import type { Table } from "./tracked-table";

type KeyPart = string | number | bigint | boolean;

/**
 * One value; of a composite key the values in the key's order, or by column or
 * property. What is neither number nor boolean is given as PostgreSQL's text.
 */
export type RecordKey =
  | KeyPart
  | readonly KeyPart[]
  | Readonly<Record<string, KeyPart>>;

export interface KeyForms {
  /** Of the column `primary_key`; one of them. */
  readonly texts: readonly string[];
  /** For `before @>`, as JSON; one of them. */
  readonly objects: readonly string[];
}

/** A string of digits may stand for a number or a text: both are looked for. */
export function keyForms(table: Table<object>, key: RecordKey): KeyForms {
  const columns = keyColumns(table);
  const parts = columns.map((column, index) =>
    partOf(table, key, column, index),
  );
  return formsOf(columns, parts.map(jsonForms), parts.map(plainText));
}

/** The same of JSON texts, which are one form each. */
export function keyFormsOf(
  table: Table<object>,
  values: readonly string[],
): KeyForms {
  return formsOf(
    keyColumns(table),
    values.map((value) => [value]),
    values.map((value) => keyText(textOf(value), value)),
  );
}

export function keyColumns({ key, table }: Table<object>): readonly string[] {
  const columns = typeof key === "string" ? [key] : key;
  if (columns.length === 0)
    throw new Error(
      `"${table}" has no primary key, so that its records cannot be told apart`,
    );
  return columns;
}

function formsOf(
  columns: readonly string[],
  forms: readonly (readonly string[])[],
  [onlyText = "", ...more]: readonly string[],
): KeyForms {
  const combinations = forms.reduce<readonly (readonly string[])[]>(
    (all, values) => all.flatMap((one) => values.map((v) => [...one, v])),
    [[]],
  );
  return {
    texts:
      more.length === 0
        ? [onlyText]
        : combinations.map((values) => `[${values.join(",")}]`),
    objects: combinations.map(
      (values) =>
        `{${values.map((v, n) => `${JSON.stringify(columns[n])}:${v}`).join(",")}}`,
    ),
  };
}

function partOf(
  table: Table<object>,
  key: RecordKey,
  column: string,
  index: number,
): KeyPart {
  const part = isParts(key)
    ? key[index]
    : typeof key === "object"
      ? (key[column] ?? key[propertyOf(table, column)])
      : index === 0
        ? key
        : undefined;
  if (part !== undefined) return part;
  throw new TypeError(
    `the key of "${table.table}" has the columns ${keyColumns(table).join(", ")}, and there is no value for ${column}`,
  );
}

function isParts(key: RecordKey): key is readonly KeyPart[] {
  return Array.isArray(key);
}

function propertyOf({ properties }: Table<object>, column: string): string {
  return (
    properties?.find((one) => one.columns.includes(column))?.name ?? column
  );
}

function jsonForms(part: KeyPart): readonly string[] {
  const text = String(part);
  if (typeof part === "boolean") return [text];
  const quoted = JSON.stringify(text);
  // As JSON writes numbers: 007 is a text alone.
  return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? [text, quoted] : [quoted];
}

function plainText(part: KeyPart): string {
  return keyText(String(part), String(typeof part === "boolean" ? part : ""));
}

/** PostgreSQL's text of a boolean is one letter. */
function keyText(text: string, json: string): string {
  return json === "true" || json === "false" ? text.slice(0, 1) : text;
}
