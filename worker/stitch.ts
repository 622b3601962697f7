/**
 * Frames of the stream to rows of `changes`: reads each message, attaches the
 * application's context, leaves out what is not tracked, and numbers every
 * change of a transaction before anything is left out (H09), so that a replay
 * under another configuration gives the same change the same id.
 *
 * Context: the nearest message before a change in its transaction; if none came
 * before, the first one after it (H64).
 */
import type { Batch, LateContext } from "./batch";
import { ByteWriter } from "./byte-writer";
import {
  beginJsonField,
  EMPTY_JSON_FIELD,
  formatChangeId,
  jsonField,
  type Operation,
  replaceContext,
  transactionFields,
  writeRowStart,
} from "./change-row";
import { CONTEXT_PREFIX, readContext } from "./context";
import { FRAME, FRAME_HEADER_BYTES } from "./frame-queue";
import type { Lsn } from "./lsn";
import { MessageReader, TAG, Tuple, UnreadableMessageError } from "./pgoutput";
import { describeRelation, type Relation, type TablePolicy } from "./relation";
import {
  changesOnlyIgnored,
  writeAfter,
  writeBefore,
  writePrimaryKey,
} from "./row-json";

/** PostgreSQL counts microseconds from 2000-01-01 UTC. */
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);
const MIN_CAPACITY_BYTES = 64 * 1024;

export interface StitchOptions {
  readonly policy: TablePolicy;
  /** `sourceIdentity` of the slot. */
  readonly identity: number;
  /** Transactions up to this commit are in the destination already. */
  readonly watermark: Lsn;
  readonly maxValueBytes: number;
  readonly nowMs: () => number;
}

/** What happened since the start, for the metrics. */
export interface StitchCounters {
  transactions: number;
  changes: number;
  filtered: number;
  replayed: number;
  invalidContexts: number;
  unboundMessages: number;
}

interface OpenTransaction {
  readonly commitLsn: Lsn;
  readonly fields: Buffer;
  readonly month: number;
  /** In the destination already: read, but not stored again. */
  readonly replayed: boolean;
  ordinal: number;
  rows: number;
  /** The context's bytes as sent, to recognise the next message as equal. */
  contextContent: Buffer | undefined;
  contextField: Buffer | undefined;
  /** Ordinal of the last row handed on without context; 0: none. */
  handedOnWithoutContext: number;
  lateContext: LateContext | undefined;
}

export class Stitcher {
  readonly counters: StitchCounters = {
    transactions: 0,
    changes: 0,
    filtered: 0,
    replayed: 0,
    invalidContexts: 0,
    unboundMessages: 0,
  };
  readonly #options: StitchOptions;
  readonly #reader = new MessageReader();
  readonly #before = new Tuple();
  readonly #after = new Tuple();
  readonly #relations = new Map<number, Relation>();
  readonly #out = new ByteWriter(MIN_CAPACITY_BYTES);
  /** Bytes and rows of `#out` that belong to finished transactions. */
  #finishedBytes = 0;
  #finishedRows = 0;
  #months = new Set<number>();
  #commitLsn: Lsn | undefined;
  #lateContext: LateContext | undefined;
  #transaction: OpenTransaction | undefined;
  #handedOn = false;
  #position: Lsn;

  constructor(options: StitchOptions) {
    this.#options = options;
    this.#position = options.watermark;
  }

  /** Everything before it has been read; valid to acknowledge once written. */
  get position(): Lsn {
    return this.#position;
  }

  /** Rendered bytes that wait to be taken. */
  get waitingBytes(): number {
    return this.#out.length;
  }

  /** Whether finished transactions with rows wait to be taken. */
  get hasFinished(): boolean {
    return this.#commitLsn !== undefined;
  }

  /** Reads the frames of one block. */
  async read(block: Buffer): Promise<void> {
    const nowMicros = BigInt(this.#options.nowMs() - POSTGRES_EPOCH_MS) * 1000n;
    let at = 0;
    while (at < block.length) {
      const start = at + FRAME_HEADER_BYTES;
      const end = start + block.readUInt32BE(at);
      if (block[at + 4] === FRAME.keepalive) {
        // A position inside a transaction is not one to come back to.
        if (!this.#transaction) this.#position = block.readBigUInt64BE(at + 5);
      } else {
        const tag = this.#reader.open(block, start, end);
        if (tag === TAG.relation) await this.#relation();
        else this.#message(tag, block, at + 5, nowMicros);
      }
      at = end;
    }
  }

  /**
   * The rows of all finished transactions, or, when one transaction alone is
   * over `maxBytes`, what there is of it so far. Undefined: nothing to write.
   */
  take(maxBytes: number): Batch | undefined {
    if (this.#commitLsn !== undefined) return this.#takeFinished();
    if (this.#out.length >= maxBytes) return this.#takeOpen();
    return undefined;
  }

  #takeFinished(): Batch {
    const batch: Batch = {
      rows: this.#out.buffer.subarray(0, this.#finishedBytes),
      rowCount: this.#finishedRows,
      months: this.#months,
      end: {
        commitLsn: this.#commitLsn as Lsn,
        position: this.#transaction ? (this.#commitLsn as Lsn) : this.#position,
      },
      ...(this.#lateContext ? { lateContext: this.#lateContext } : {}),
    };
    this.#discard(this.#finishedBytes);
    this.#commitLsn = undefined;
    this.#lateContext = undefined;
    this.#finishedBytes = 0;
    this.#finishedRows = 0;
    this.#months = new Set();
    return batch;
  }

  #takeOpen(): Batch {
    const transaction = this.#transaction as OpenTransaction;
    const batch: Batch = {
      rows: this.#out.buffer.subarray(0, this.#out.length),
      rowCount: transaction.rows,
      months: new Set([transaction.month]),
    };
    if (!transaction.contextField) {
      transaction.handedOnWithoutContext = transaction.ordinal;
    }
    transaction.rows = 0;
    this.#handedOn = true;
    this.#discard(this.#out.length);
    return batch;
  }

  #discard(bytes: number): void {
    this.#out.discard(bytes, Math.max(MIN_CAPACITY_BYTES, bytes));
  }

  async #relation(): Promise<void> {
    const message = this.#reader.relation();
    this.#relations.set(
      message.oid,
      await describeRelation(message, this.#options.policy),
    );
  }

  #message(tag: number, block: Buffer, lsnAt: number, nowMicros: bigint): void {
    switch (tag) {
      case TAG.insert: {
        const relation = this.#relationOf(this.#reader.relationOid());
        this.#before.count = -1;
        this.#reader.insert(this.#after);
        return this.#change("CREATE", relation, block, lsnAt);
      }
      case TAG.update: {
        const relation = this.#relationOf(this.#reader.relationOid());
        this.#reader.update(this.#before, this.#after);
        return this.#change("UPDATE", relation, block, lsnAt);
      }
      case TAG.delete: {
        const relation = this.#relationOf(this.#reader.relationOid());
        this.#after.count = -1;
        this.#reader.delete(this.#before);
        return this.#change("DELETE", relation, block, lsnAt);
      }
      case TAG.truncate:
        this.#before.count = -1;
        this.#after.count = -1;
        for (const oid of this.#reader.truncate().oids) {
          this.#change("TRUNCATE", this.#relationOf(oid), block, lsnAt);
        }
        return;
      case TAG.message:
        return this.#context();
      case TAG.begin:
        return this.#begin(nowMicros);
      case TAG.commit:
        return this.#commit();
      case TAG.type:
      case TAG.origin:
        // Types come as text, and rows of a subscriber are rows (H62).
        return;
      default:
        throw new UnreadableMessageError(
          `unknown pgoutput message ${JSON.stringify(String.fromCharCode(tag))}`,
        );
    }
  }

  #begin(nowMicros: bigint): void {
    if (this.#transaction) {
      throw new UnreadableMessageError("Begin inside a transaction");
    }
    const { commitLsn, committedAtMicros, transactionId } =
      this.#reader.begin();
    const committedAt = new Date(
      Number(committedAtMicros / 1000n) + POSTGRES_EPOCH_MS,
    );
    this.#handedOn = false;
    this.#transaction = {
      commitLsn,
      fields: transactionFields(committedAtMicros, nowMicros, transactionId),
      month: committedAt.getUTCFullYear() * 12 + committedAt.getUTCMonth(),
      replayed: commitLsn <= this.#options.watermark,
      ordinal: 0,
      rows: 0,
      contextContent: undefined,
      contextField: undefined,
      handedOnWithoutContext: 0,
      lateContext: undefined,
    };
  }

  #commit(): void {
    const transaction = this.#open("Commit");
    const commitLsn = this.#reader.commit();
    if (commitLsn !== transaction.commitLsn) {
      throw new UnreadableMessageError("Commit of another transaction");
    }
    this.#transaction = undefined;
    this.#position = commitLsn;
    this.counters.transactions++;
    if (transaction.replayed) this.counters.replayed++;
    if (transaction.rows === 0 && !this.#handedOn) return;
    this.#commitLsn = commitLsn;
    this.#finishedBytes = this.#out.length;
    this.#finishedRows += transaction.rows;
    this.#months.add(transaction.month);
    // At most one: only a transaction that was handed on in parts has one, and
    // the rest of it is the first in the next batch.
    this.#lateContext ??= transaction.lateContext;
  }

  #context(): void {
    const { transactional, prefix, content } = this.#reader.message();
    if (prefix !== CONTEXT_PREFIX) return;
    if (!transactional) {
      // It survives a rollback and is ahead of rows it knows nothing of (H63).
      this.counters.unboundMessages++;
      return;
    }
    const transaction = this.#open("Message");
    if (transaction.replayed) return;
    if (transaction.contextContent?.equals(content)) return;
    const context = readContext(content);
    if (context.invalid) this.counters.invalidContexts++;
    const first = transaction.contextField === undefined;
    transaction.contextContent = Buffer.from(content);
    transaction.contextField = jsonField(context.json);
    if (first) this.#giveContextToEarlierRows(transaction, context.json);
  }

  #giveContextToEarlierRows(
    transaction: OpenTransaction,
    context: Buffer,
  ): void {
    const from = this.#finishedBytes;
    if (transaction.rows > 0) {
      const rows = this.#out.buffer.subarray(from, this.#out.length);
      const replaced = replaceContext(rows, transaction.contextField as Buffer);
      this.#out.length = from;
      this.#out.bytes(replaced);
    }
    if (transaction.handedOnWithoutContext > 0) {
      const { commitLsn, handedOnWithoutContext } = transaction;
      const { identity } = this.#options;
      transaction.lateContext = {
        firstId: formatChangeId(commitLsn, 0, 0),
        lastId: formatChangeId(commitLsn, handedOnWithoutContext, identity),
        context,
      };
    }
  }

  #change(
    operation: Operation,
    relation: Relation,
    block: Buffer,
    lsnAt: number,
  ): void {
    const transaction = this.#open(operation);
    transaction.ordinal++;
    if (transaction.replayed) return;
    const { maxValueBytes, identity } = this.#options;
    const before = this.#before;
    const after = this.#after;
    const row = { block, relation, before, after, maxValueBytes };
    this.#checkColumns(relation);
    if (
      !relation.tracked ||
      (operation === "UPDATE" && changesOnlyIgnored(row))
    ) {
      this.counters.filtered++;
      return;
    }
    const out = this.#out;
    writeRowStart(out, {
      commitLsn: transaction.commitLsn,
      transactionFields: transaction.fields,
      ordinal: transaction.ordinal,
      identity,
      block,
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
    out.bytes(transaction.contextField ?? EMPTY_JSON_FIELD);
    transaction.rows++;
    this.counters.changes++;
  }

  #checkColumns({ columns }: Relation): void {
    for (const { count } of [this.#before, this.#after]) {
      if (count >= 0 && count !== columns.length) {
        throw new UnreadableMessageError(
          `${count} values for ${columns.length} columns`,
        );
      }
    }
  }

  #relationOf(oid: number): Relation {
    const relation = this.#relations.get(oid);
    if (!relation) {
      throw new UnreadableMessageError(`row of an unannounced relation ${oid}`);
    }
    return relation;
  }

  #open(what: string): OpenTransaction {
    if (!this.#transaction) {
      throw new UnreadableMessageError(`${what} outside a transaction`);
    }
    return this.#transaction;
  }
}
