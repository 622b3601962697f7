/**
 * What an event trigger left in the log about a DDL (source/ddl-trigger.ts), out
 * of a `_bemi_ddl` logical message. Like a context it may come from anybody who
 * can call pg_logical_emit_message: what is not a mark is counted, never fatal.
 */
import type { NamedTable } from "../settings/tables";
import { readContext } from "./context";

/** What the DDL was about, as far as it decides whether that is tracked. */
export interface MarkedObject {
  readonly oid?: number;
  /** Without a table: the schema itself, or a publication. */
  readonly schema?: string;
  readonly table?: string;
  readonly publication?: string;
  /** Of a partition; of one that is dropped they are not known. */
  readonly ancestors: readonly NamedTable[];
  readonly dropped: boolean;
}

export interface DdlMark {
  /** The command's tag: "DROP TABLE". */
  readonly command: string;
  readonly object: MarkedObject;
  /** The message as it was sent, which jsonb can hold. A copy. */
  readonly details: Buffer;
}

/** A message's content, or undefined when it is no mark. */
export function readMark(
  content: Buffer,
  contentBytes = content.length,
): DdlMark | undefined {
  const { json, invalid } = readContext(content, contentBytes);
  if (invalid !== undefined) return undefined;
  const value: Readonly<Record<string, unknown>> = JSON.parse(
    json.toString("utf8"),
  );
  const { command, oid, schema, table, publication } = value;
  if (
    !isName(command) ||
    ![schema, table, publication].every((name) => isOptional(name, isName)) ||
    !isOptional(oid, isOid)
  ) {
    return undefined;
  }
  if (schema === undefined && publication === undefined) return undefined;
  return {
    command,
    object: {
      ...(isOid(oid) ? { oid } : {}),
      ...(isName(schema) ? { schema } : {}),
      ...(isName(table) ? { table } : {}),
      ...(isName(publication) ? { publication } : {}),
      ancestors: namedTables(value.ancestors),
      dropped: value.dropped === true,
    },
    details: json,
  };
}

function namedTables(value: unknown): NamedTable[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: unknown) => {
    if (typeof one !== "object" || one === null) return [];
    const { schema, table } = one as Readonly<Record<string, unknown>>;
    return isName(schema) && isName(table) ? [{ schema, name: table }] : [];
  });
}

/** PostgreSQL's names have at most 63 bytes; a longer one is nobody's. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 63;
}

function isOid(value: unknown): value is number {
  return typeof value === "number";
}

function isOptional(
  value: unknown,
  isRight: (value: unknown) => boolean,
): boolean {
  return value === undefined || isRight(value);
}
