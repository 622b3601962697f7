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
import {
  beginJsonField,
  EMPTY_JSON_FIELD,
  formatChangeId,
  jsonField,
  type Operation,
  transactionFields,
  writeRowStart,
} from "./change-row";
import { CONTEXT_PREFIX, readContext } from "./context";
import { FRAME, FRAME_HEADER_BYTES } from "./frame-queue";
import type { Lsn } from "./lsn";
import { Outbox } from "./outbox";
import { monthOf } from "./partitions";
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
  /** In the destination already: read, but not stored again. */
  readonly replayed: boolean;
  ordinal: number;
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
  readonly #outbox = new Outbox();
  #transaction: OpenTransaction | undefined;
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
    return this.#outbox.bytes;
  }

  /** Whether finished transactions with rows wait to be taken. */
  get hasFinished(): boolean {
    return this.#outbox.hasFinished;
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
    if (this.#outbox.hasFinished) {
      return this.#outbox.takeFinished(this.#position);
    }
    if (this.#outbox.bytes < maxBytes) return undefined;
    const transaction = this.#open("a batch");
    if (!transaction.contextField) {
      transaction.handedOnWithoutContext = transaction.ordinal;
    }
    return this.#outbox.takeOpen();
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
    this.#outbox.begin(monthOf(committedAt));
    this.#transaction = {
      commitLsn,
      fields: transactionFields(committedAtMicros, nowMicros, transactionId),
      replayed: commitLsn <= this.#options.watermark,
      ordinal: 0,
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
    this.#outbox.commit(commitLsn, transaction.lateContext);
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
    this.#outbox.replaceOpenContext(transaction.contextField as Buffer);
    const { commitLsn, handedOnWithoutContext } = transaction;
    if (handedOnWithoutContext === 0) return;
    transaction.lateContext = {
      firstId: formatChangeId(commitLsn, 0, 0),
      lastId: formatChangeId(
        commitLsn,
        handedOnWithoutContext,
        this.#options.identity,
      ),
      context,
    };
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
    const { out } = this.#outbox;
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
    this.#outbox.addRow();
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
