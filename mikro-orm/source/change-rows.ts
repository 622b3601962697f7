/** Rows of `changes`, with JSON and times as text: nothing may be lost. */
import type { Change, Operation } from "./change";
import { exactValue, type JsonObject } from "./json-text";
import type { ChangesDatabase, Table } from "./tracked-table";

export interface ChangeRow
  extends Omit<Change, "before" | "after" | "context"> {
  readonly operation: Operation;
  readonly before: string;
  readonly after: string;
  readonly context: string;
}

/** Part of a statement, and what its question marks stand for. */
export interface Sql {
  readonly text: string;
  readonly params: readonly unknown[];
}

export const sql = (text: string, ...params: unknown[]): Sql => ({
  text,
  params,
});

export function all(conditions: readonly (Sql | undefined)[]): Sql {
  const given = conditions.filter((one) => one !== undefined);
  return {
    text: given.map(({ text }) => `(${text})`).join(" and "),
    params: given.flatMap(({ params }) => params),
  };
}

export function oneOf(
  expression: string,
  values: readonly unknown[],
  cast = "",
): Sql {
  const marks = values.map(() => `?${cast}`).join(", ");
  return sql(`${expression} in (${marks})`, ...values);
}

/** A moment; as text with microseconds, and with an offset. */
export type Time = Date | string;

export interface Bounds {
  /** The source's name, where several share one `changes`. */
  readonly database?: string;
  /** Commit times, both included: partitions outside are not read. */
  readonly from?: Time;
  readonly to?: Time;
}

export function within({
  database,
  from,
  to,
}: Bounds): readonly (Sql | undefined)[] {
  return [
    database === undefined ? undefined : sql("database = ?", database),
    from === undefined ? undefined : committed(">=", from),
    to === undefined ? undefined : committed("<=", to),
  ];
}

export function ofTable({ table, schema, partitions = [] }: Table<object>) {
  return all([
    oneOf('"table"', [table, ...partitions]),
    sql("schema = ?", schema ?? "public"),
  ]);
}

export function committed(operator: ">" | ">=" | "<=", time: Time): Sql {
  return sql(`committed_at ${operator} ?::timestamptz`, timeText(time));
}

export function timeText(time: Time): string {
  return typeof time === "string" ? time : time.toISOString();
}

const UTC = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
const time = (column: string, name: string) =>
  `to_char(${column} at time zone 'UTC', ${UTC}) as "${name}"`;

/** Of a `select` from rows of `changes`, for `ChangeRow`. */
export const CHANGE_COLUMNS = [
  ...[
    "id::text",
    "database",
    "schema",
    '"table"',
    'primary_key as "primaryKey"',
  ],
  ...["operation", "before::text", "after::text", "context::text"],
  ...['transaction_id::text as "transactionId"', "position::text"],
  time("created_at", "createdAt"),
  time("committed_at", "committedAt"),
  time("queued_at", "queuedAt"),
].join(", ");

/** Where to look. */
export interface Arm extends Sql {
  /**
   * Asked first, and by its own index alone: beside it the planner would read
   * all of a table's entries in the index on table and key.
   */
  readonly first?: Sql;
}

/**
 * What the arms find together. JSON becomes text behind the limit, since large
 * values would be fetched for rows that nobody gets.
 */
export async function readChanges(
  em: ChangesDatabase,
  arms: readonly Arm[],
  { newestFirst = false, limit }: { newestFirst?: boolean; limit: number },
): Promise<readonly ChangeRow[]> {
  const order = `order by id ${newestFirst ? "desc" : "asc"}`;
  const found = arms.map(
    ({ text, first }) =>
      `(select * from ${relation(first)} where ${text} ${order} limit ${limit})`,
  );
  const rows = await em.execute(
    `select ${CHANGE_COLUMNS} from (select * from (${found.join(" union all ")}) as found ${order} limit ${limit}) as changes ${order.replace(" id ", " changes.id ")}`,
    arms.flatMap(({ params, first }) => [...(first?.params ?? []), ...params]),
  );
  return rows as readonly ChangeRow[];
}

/** `offset 0` keeps the planner from joining both levels into one. */
export function relation(first: Sql | undefined): string {
  return first
    ? `(select * from public.changes where ${first.text} offset 0) as changes`
    : "public.changes";
}

export function changeOf(row: ChangeRow): Change {
  return {
    ...row,
    before: exactValue(row.before) as JsonObject,
    after: exactValue(row.after) as JsonObject,
    context: exactValue(row.context) as JsonObject,
  };
}

/** As errors and comments name it; no line break can be in it. */
export function titleOf(row: ChangeRow): string {
  const { operation, schema, table, primaryKey, id, committedAt } = row;
  const key = primaryKey === null ? "" : ` ${JSON.stringify(primaryKey)}`;
  return `${operation} of ${JSON.stringify(schema)}.${JSON.stringify(table)}${key} at ${committedAt} (change ${id})`;
}
