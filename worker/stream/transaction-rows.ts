/**
 * The rows of the transaction being read: numbers every change before anything
 * is left out, so that a replay under another configuration gives the same
 * change the same id; leaves out what is not tracked, renders the rest, and
 * attaches the application's context.
 *
 * Context: the nearest message before a change in its transaction; if none came
 * before, the first one after it.
 */

import { monthOf } from "../destination/partitions";
import type { Lsn } from "../lsn";
import {
  beginJsonField,
  EMPTY_JSON_FIELD,
  formatChangeId,
  idStart,
  jsonField,
  type Operation,
  transactionFields,
  writeRowStart,
} from "../row/change-row";
import {
  changesOnlyIgnored,
  type RowValues,
  writeAfter,
  writeBefore,
  writePrimaryKey,
} from "../row/row-json";
import type { LateContext } from "./batch";
import { readContext } from "./context";
import { readMark } from "./ddl-mark";
import type { Outbox } from "./outbox";

import {
  type Begin,
  type LogicalMessage,
  type Tuple,
  UnreadableMessageError,
} from "./pgoutput";
import type { Relation, TablePolicy } from "./relation";

/** PostgreSQL counts microseconds from 2000-01-01 UTC. */
export const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

/** What happened since the start, for the metrics. */
export interface StitchCounters {
  transactions: number;
  changes: number;
  filtered: number;
  replayed: number;
  invalidContexts: number;
  schemaChanges: number;
  invalidMarks: number;
  unboundMessages: number;
}

/** One transaction, from its Begin to its Commit. */
export class TransactionRows {
  readonly commitLsn: Lsn;
  readonly transactionId: number;
  /** In the destination already: counted, but not stored again. */
  readonly replayed: boolean;
  readonly #parts: TransactionParts;
  readonly #begin: Begin;
  readonly #idStart: Buffer;
  readonly #fields: Buffer;
  #ordinal = 0;
  /** The context's bytes as sent, to recognise the next message as equal. */
  #contextContent: Buffer | undefined;
  #context: Buffer | undefined;
  #contextField: Buffer | undefined;
  /** Ordinal of the last change when rows were last handed on, if they were. */
  #handedOn: number | undefined;
  #lateContext: LateContext | undefined;

  constructor(
    parts: TransactionParts,
    begin: Begin,
    received: { readonly replayed: boolean; readonly atMicros: bigint },
  ) {
    const { commitLsn, committedAtMicros, transactionId } = begin;
    this.#parts = parts;
    this.#begin = begin;
    this.commitLsn = commitLsn;
    this.transactionId = transactionId;
    this.replayed = received.replayed;
    this.#idStart = idStart(commitLsn + parts.idOffset);
    this.#fields = transactionFields(
      committedAtMicros,
      received.atMicros,
      transactionId,
    );
    const committedAtMs = Number(committedAtMicros / 1000n) + POSTGRES_EPOCH_MS;
    parts.outbox.begin(monthOf(new Date(committedAtMs)));
  }

  /** A change whose tuples have been read. */
  add(operation: Operation, row: RowValues, lsnAt: number): void {
    this.#ordinal++;
    if (this.replayed) return;
    const { counters, outbox, identity } = this.#parts;
    const { relation, before, after } = row;
    checkColumns(relation, before);
    checkColumns(relation, after);
    if (
      !relation.tracked ||
      (operation === "UPDATE" && changesOnlyIgnored(row))
    ) {
      counters.filtered++;
      return;
    }
    const { out } = outbox;
    writeRowStart(out, {
      idStart: this.#idStart,
      transactionFields: this.#fields,
      ordinal: this.#ordinal,
      identity,
      block: row.block,
      lsnAt,
      tableFields: relation.fields,
      operation,
    });
    if (operation === "TRUNCATE") out.int32(-1);
    else writePrimaryKey(out, row, operation === "DELETE" ? before : after);
    const beforeField = beginJsonField(out);
    writeBefore(out, row);
    out.endField(beforeField);
    const afterField = beginJsonField(out);
    writeAfter(out, row);
    out.endField(afterField);
    out.bytes(this.#contextField ?? EMPTY_JSON_FIELD);
    outbox.addRow();
    counters.changes++;
  }

  /** A context message: for the changes after it, or for all if it is the first. */
  giveContext({ content, contentBytes }: LogicalMessage, position: Lsn): void {
    if (this.replayed || this.#contextContent?.equals(content)) return;
    const context = readContext(content, contentBytes);
    if (context.invalid) this.#parts.counters.invalidContexts++;
    const first = this.#contextField === undefined;
    const isWhole = content.length === contentBytes;
    this.#contextContent = isWhole ? Buffer.from(content) : undefined;
    this.#context = context.json;
    this.#contextField = jsonField(context.json);
    if (!first) return;
    this.#parts.outbox.replaceOpenContext(context.json, this.#contextField);
    if (this.#handedOn !== undefined) {
      this.#lateContext = {
        firstId: formatChangeId(this.commitLsn + this.#parts.idOffset, 0, 0),
        lastId: this.#id(this.#handedOn),
        lastSchemaChangeId: this.#id(this.#handedOn + 1),
        position,
        identity: this.#parts.identity,
        context: context.json,
      };
    }
  }

  /** A mark of a DDL. It is no change: those after it keep their numbers. */
  mark({ content, contentBytes }: LogicalMessage, position: Lsn): void {
    if (this.replayed) return;
    const { counters, outbox, policy } = this.#parts;
    const mark = readMark(content, contentBytes);
    if (!mark) {
      counters.invalidMarks++;
      return;
    }
    if (!policy.tracksDdlOf(mark.object)) return;
    const { committedAtMicros, transactionId } = this.#begin;
    outbox.addSchemaChange({
      id: this.#id(this.#ordinal + 1),
      position,
      schema: mark.object.schema,
      table: mark.object.table,
      command: mark.command,
      details: mark.details,
      context: this.#context ?? EMPTY_JSON,
      committedAtMicros,
      transactionId,
    });
    counters.schemaChanges++;
  }

  /** The rows so far are being handed on, ahead of the commit. */
  handOn(): void {
    this.#handedOn = this.#ordinal;
  }

  commit(): void {
    this.#parts.outbox.commit(this.commitLsn, this.#lateContext);
  }

  #id(ordinal: number): string {
    const { identity, idOffset } = this.#parts;
    return formatChangeId(this.commitLsn + idOffset, ordinal, identity);
  }
}

const EMPTY_JSON = Buffer.from("{}");

/** What all transactions of a session share. */
export interface TransactionParts {
  readonly outbox: Outbox;
  readonly counters: StitchCounters;
  readonly policy: Pick<TablePolicy, "tracksDdlOf">;
  /** `sourceIdentity` of the slot. */
  readonly identity: number;
  /** Of the watermark: what ids have more than commit positions. */
  readonly idOffset: bigint;
}

function checkColumns({ columns }: Relation, { count }: Tuple): void {
  if (count < 0 || count === columns.length) return;
  throw new UnreadableMessageError(
    `${count} values for ${columns.length} columns`,
  );
}
