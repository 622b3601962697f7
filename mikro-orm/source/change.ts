/** A row of the worker's table `changes`, and MikroORM's way to it. */
import { EntitySchema, Type } from "@mikro-orm/core";
import { exactValue, type JsonObject } from "./json-text";

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "TRUNCATE";

/**
 * One change, for `entities` of a configuration: `em.find(Change, { table:
 * "todo" }, { orderBy: { id: "desc" }, limit: 100 })`. A virtual entity, because
 * neither the unit of work nor MikroORM's schema tools write one in any version.
 *
 * In `before` and `after` numbers that JavaScript cannot hold are strings of
 * their digits, and three markers stand for values: `{ $unchanged: true }` for
 * one that the stream did not have, `{ $omitted: { bytes, sha256 } }` for one
 * that was too large, `{ $json_text: "…" }` for json that jsonb cannot hold.
 */
export class Change {
  /** Orders as the commits did; the same for the same change at every replay. */
  id!: string;
  /** When it was stored; this and other times in UTC, with microseconds. */
  createdAt!: string;
  database!: string;
  schema!: string;
  /** Of a partitioned table, the partition. */
  table!: string;
  /** Its text; of several columns a JSON array's; null without a key. */
  primaryKey!: string | null;
  operation!: Operation;
  /** `{}` for CREATE and TRUNCATE. */
  before!: JsonObject;
  /** `{}` for DELETE and TRUNCATE. */
  after!: JsonObject;
  context!: JsonObject;
  committedAt!: string;
  queuedAt!: string;
  /** bigint, hence its digits. */
  transactionId!: string;
  /** The position in the source's log, a bigint, hence its digits. */
  position!: string;
}

class ExactJson extends Type<JsonObject, string> {
  override convertToJSValue(value: JsonObject | string): JsonObject {
    // What is no text comes from MikroORM itself and has been converted.
    return typeof value === "string"
      ? (exactValue(value) as JsonObject)
      : value;
  }
  override getColumnType(): string {
    return "text";
  }
}

class ExactTime extends Type<string, string> {
  override convertToDatabaseValue(value: string | Date): string {
    return typeof value === "string" ? value : value.toISOString();
  }
  override convertToJSValue(value: string): string {
    return utcTime(value);
  }
  override getColumnType(): string {
    return "timestamptz";
  }
  /** MikroORM would make it a Date, which has milliseconds. */
  override compareAsType(): string {
    return "string";
  }
  override get runtimeType(): string {
    return "string";
  }
}

/** `2026-11-20 21:31:15.12+05:30` becomes `2026-11-20T16:01:15.120000Z`. */
export function utcTime(text: string): string {
  const match =
    /^(\d{4,}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[-+]\d\d(?::?\d\d)?)$/.exec(
      text,
    );
  if (!match) return text;
  const [, date, time, fraction = "", zone = "Z"] = match;
  const offset = /^[-+]\d\d$/.test(zone) ? `${zone}:00` : zone;
  const second = new Date(`${date}T${time}${offset}`).toISOString();
  return `${second.slice(0, -5)}.${fraction.padEnd(6, "0")}Z`;
}

const text = (fieldName: string) =>
  ({ type: "string", columnType: "text", fieldName }) as const;
const time = (fieldName: string) => ({ type: ExactTime, fieldName });
const json = (fieldName: string) => ({ type: ExactJson, fieldName });

/** By itself it links the class, which is what goes into `entities`. */
export const changeSchema = new EntitySchema<Change>({
  class: Change,
  expression: `select id, created_at, database, schema, "table", primary_key, operation, before::text as before, after::text as after, context::text as context, committed_at, queued_at, transaction_id, position from public.changes`,
  properties: {
    id: { type: "string", columnType: "uuid", fieldName: "id" },
    createdAt: time("created_at"),
    database: text("database"),
    schema: text("schema"),
    table: text("table"),
    primaryKey: { ...text("primary_key"), nullable: true },
    operation: text("operation"),
    before: json("before"),
    after: json("after"),
    context: json("context"),
    committedAt: time("committed_at"),
    queuedAt: time("queued_at"),
    transactionId: text("transaction_id"),
    position: text("position"),
  },
});
