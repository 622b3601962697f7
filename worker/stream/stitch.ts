/**
 * Frames of the stream to rows of `changes`: reads each message, and gives the
 * changes of a transaction to its `TransactionRows`.
 */

import type { Lsn } from "../lsn";
import type { Operation } from "../row/change-row";
import { DDL_PREFIX } from "../source/ddl-trigger";
import type { Batch } from "./batch";
import { CONTEXT_PREFIX } from "./context";
import { FRAME, FRAME_AT, FRAME_HEADER_BYTES } from "./frame-queue";
import { HEARTBEAT_PREFIX, type Heartbeats } from "./heartbeat";
import type { HistoryProof } from "./history-proof";
import { Outbox } from "./outbox";
import { MessageReader, TAG, Tuple, UnreadableMessageError } from "./pgoutput";
import { type Relation, Relations, type TablePolicy } from "./relation";
import type { ToUtf8 } from "./server-encoding";
import {
  POSTGRES_EPOCH_MS,
  type StitchCounters,
  type TransactionParts,
  TransactionRows,
} from "./transaction-rows";

export interface StitchOptions {
  readonly policy: TablePolicy;
  /** `sourceIdentity` of the slot. */
  readonly identity: number;
  /** @default 0, which it is for a trail that never moved to another server */
  readonly idOffset?: bigint;
  /** Transactions up to this commit are in the destination already. */
  readonly watermark: Lsn;
  /** Of the source, that it has what the destination has. */
  readonly proof?: HistoryProof;
  readonly maxValueBytes: number;
  /** Of logical messages' content. @default it is UTF-8 already */
  readonly toUtf8?: ToUtf8;
  readonly heartbeats?: Heartbeats;
  readonly nowMs: () => number;
}

export class Stitcher {
  readonly counters: StitchCounters = {
    transactions: 0,
    changes: 0,
    filtered: 0,
    replayed: 0,
    invalidContexts: 0,
    schemaChanges: 0,
    invalidMarks: 0,
    unboundMessages: 0,
  };
  readonly #options: StitchOptions;
  readonly #reader = new MessageReader();
  readonly #before = new Tuple();
  readonly #after = new Tuple();
  readonly #relations: Relations;
  readonly #outbox = new Outbox();
  readonly #parts: TransactionParts;
  #transaction: TransactionRows | undefined;
  #position: Lsn;

  constructor(options: StitchOptions) {
    const { identity, idOffset = 0n, policy, watermark } = options;
    this.#options = options;
    this.#position = watermark;
    this.#relations = new Relations(policy);
    this.#parts = {
      outbox: this.#outbox,
      counters: this.counters,
      policy,
      identity,
      idOffset,
    };
  }

  /** Everything before it has been read; valid to acknowledge once written. */
  get position(): Lsn {
    return this.#position;
  }

  /** Rendered bytes that wait to be taken. */
  get waitingBytes(): number {
    return this.#outbox.bytes;
  }

  /** Whether finished transactions with something to store wait to be taken. */
  get hasFinished(): boolean {
    return this.#outbox.hasFinished;
  }

  /** Reads the frames of one block. */
  async read(block: Buffer): Promise<void> {
    const nowMicros = BigInt(this.#options.nowMs() - POSTGRES_EPOCH_MS) * 1000n;
    let at = 0;
    while (at < block.length) {
      const start = at + FRAME_HEADER_BYTES;
      const length = block.readUInt32BE(at + FRAME_AT.length);
      const end = at + FRAME_AT.length + length;
      const kind = block[at + FRAME_AT.kind];
      const lsnAt = at + FRAME_AT.lsn;
      if (kind === FRAME.keepalive) {
        // A position inside a transaction is not one to come back to.
        if (!this.#transaction) {
          this.#position = block.readBigUInt64BE(lsnAt);
          this.#options.proof?.passed(this.#position);
        }
      } else {
        const reduced = kind === FRAME.reduced;
        const tag = this.#reader.open(block, start, end, reduced);
        if (tag === TAG.relation) {
          await this.#relations.announce(
            this.#reader.relation(),
            this.#transaction?.transactionId,
          );
        } else this.#message(tag, block, lsnAt, nowMicros);
      }
      at = end;
    }
  }

  /**
   * The rows of all finished transactions, or, when one transaction alone is
   * over `maxBytes`, what there is of it so far. Undefined: nothing to write.
   */
  take(maxBytes: number): Batch | undefined {
    const outbox = this.#outbox;
    if (outbox.hasFinished) return outbox.takeFinished(this.#position);
    if (outbox.bytes < maxBytes) return undefined;
    this.#open("a batch").handOn();
    return outbox.takeOpen();
  }

  #message(tag: number, block: Buffer, lsnAt: number, nowMicros: bigint): void {
    switch (tag) {
      case TAG.insert: {
        const relation = this.#relations.of(this.#reader.relationOid());
        this.#before.count = -1;
        this.#reader.insert(this.#after);
        return this.#change("CREATE", relation, block, lsnAt);
      }
      case TAG.update: {
        const relation = this.#relations.of(this.#reader.relationOid());
        this.#reader.update(this.#before, this.#after);
        return this.#change("UPDATE", relation, block, lsnAt);
      }
      case TAG.delete: {
        const relation = this.#relations.of(this.#reader.relationOid());
        this.#after.count = -1;
        this.#reader.delete(this.#before);
        return this.#change("DELETE", relation, block, lsnAt);
      }
      case TAG.truncate:
        this.#before.count = -1;
        this.#after.count = -1;
        for (const oid of this.#reader.truncate().oids) {
          this.#change("TRUNCATE", this.#relations.of(oid), block, lsnAt);
        }
        return;
      case TAG.message:
        return this.#logicalMessage(block, lsnAt);
      case TAG.begin:
        return this.#begin(nowMicros);
      case TAG.commit:
        return this.#commit();
      case TAG.type:
        return this.#relations.announceType(this.#reader.type());
      case TAG.origin:
        // Rows that a subscription wrote are rows like others.
        return;
      default:
        throw new UnreadableMessageError(
          `unknown pgoutput message ${JSON.stringify(String.fromCharCode(tag))}`,
        );
    }
  }

  #begin(atMicros: bigint): void {
    if (this.#transaction) {
      throw new UnreadableMessageError("Begin inside a transaction");
    }
    const begin = this.#reader.begin();
    this.#options.proof?.transaction(begin.commitLsn);
    this.#transaction = new TransactionRows(this.#parts, begin, {
      replayed: begin.commitLsn <= this.#options.watermark,
      atMicros,
    });
  }

  #commit(): void {
    const transaction = this.#open("Commit");
    const commitLsn = this.#reader.commit();
    if (commitLsn !== transaction.commitLsn) {
      throw new UnreadableMessageError("Commit of another transaction");
    }
    transaction.commit();
    this.#transaction = undefined;
    this.#position = commitLsn;
    this.counters.transactions++;
    if (transaction.replayed) this.counters.replayed++;
  }

  #change(
    operation: Operation,
    relation: Relation,
    block: Buffer,
    lsnAt: number,
  ): void {
    const { maxValueBytes } = this.#options;
    const before = this.#before;
    const after = this.#after;
    const row = { block, relation, before, after, maxValueBytes };
    this.#open(operation).add(operation, row, lsnAt);
  }

  #logicalMessage(block: Buffer, lsnAt: number): void {
    const message = this.#reader.message(this.#options.toUtf8);
    const { prefix, transactional } = message;
    const position = block.readBigUInt64BE(lsnAt);
    if (prefix === HEARTBEAT_PREFIX) {
      this.#options.heartbeats?.read(message.content, position);
    }
    if (prefix !== CONTEXT_PREFIX && prefix !== DDL_PREFIX) return;
    if (!transactional) {
      // It survives a rollback and is ahead of rows it knows nothing of.
      if (prefix === CONTEXT_PREFIX) this.counters.unboundMessages++;
      else this.counters.invalidMarks++;
      return;
    }
    const transaction = this.#open("Message");
    if (prefix === CONTEXT_PREFIX) transaction.giveContext(message, position);
    else transaction.mark(message, position);
  }

  #open(what: string): TransactionRows {
    if (!this.#transaction) {
      throw new UnreadableMessageError(`${what} outside a transaction`);
    }
    return this.#transaction;
  }
}
