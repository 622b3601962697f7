/** What the worker knows about itself; read by health, metrics and the log. */
import type { Judgement } from "./condition";
import { Heartbeats } from "./stream/heartbeat";
import type { StitchCounters } from "./stream/transaction-rows";

/**
 * - `starting`: connecting and checking
 * - `streaming`: connected; caught up or catching up
 * - `waiting`: something failed, the next attempt is scheduled
 * - `stopping`: asked to end
 */
export type WorkerState = "starting" | "streaming" | "waiting" | "stopping";

export class Status {
  state: WorkerState = "starting";
  readonly startedAt = new Date();
  /** Why it waits; a sentence without data. */
  problem: string | undefined;
  hasStreamed = false;
  /** Failures since something was last made durable. */
  attempts = 0;
  /** What is waited out now without being a fault yet: since when. */
  waiting: { readonly what: string; readonly sinceMs: number } | undefined;
  /** What the source ended the last stream with, if it did. */
  streamFailure: unknown;
  /** The same failure of the stream at the same position. */
  repeated: { readonly what: string; readonly times: number } | undefined;
  /** Failed log-ins since the last stream; they are repeated more slowly. */
  failedLogins = 0;
  /** New connections are refused for a password that only a restart changes. */
  isPasswordStale: () => boolean = () => false;
  /** Of this process's last claim on the watermark. */
  epoch: bigint | undefined;
  /** Of finished sessions; the running one's are in `session`. */
  readonly totals: StitchCounters = {
    transactions: 0,
    changes: 0,
    filtered: 0,
    replayed: 0,
    invalidContexts: 0,
    schemaChanges: 0,
    invalidMarks: 0,
    unboundMessages: 0,
  };
  session: StitchCounters | undefined;
  /** Position at the source that is durable at the destination. */
  confirmedLsn: string | undefined;
  /** Frames that wait to be read. */
  waitingBytes: () => number = () => 0;
  slot: SlotStatus | undefined;
  keyLookupFailures = 0;
  readonly heartbeats = new Heartbeats();
  /** Stored without some of their values, since the destination refused them. */
  reducedRows = 0;
  /** How the running session gets on. */
  judgement: Judgement | undefined;

  /** Everything since the process began. */
  get counters(): StitchCounters {
    const sum = { ...this.totals };
    for (const [name, value] of Object.entries(this.session ?? {})) {
      sum[name as keyof StitchCounters] += value;
    }
    return sum;
  }

  beginSession(counters: StitchCounters, waitingBytes: () => number): void {
    this.session = counters;
    this.waitingBytes = waitingBytes;
    this.state = "streaming";
    this.hasStreamed = true;
    this.problem = undefined;
    this.waiting = undefined;
    this.failedLogins = 0;
  }

  endSession(): void {
    Object.assign(this.totals, this.counters);
    this.session = undefined;
    // Of a slot that nobody looks at any more, an old figure would look calm.
    this.slot = undefined;
    this.waitingBytes = () => 0;
  }
}

/** The slot as the server sees it. */
export interface SlotStatus {
  /** Log written since what is durable at the destination. */
  readonly lagBytes: number;
  /** Log that the server keeps because of the slot. */
  readonly retainedBytes: number;
  /** Log until the slot is lost; undefined: the server sets no limit. */
  readonly safeBytes: number | undefined;
  readonly walStatus: string;
  /** How fast `retainedBytes` grows; undefined: watched for too short a time. */
  readonly growthBytesPerSecond?: number;
  /** Until the slot is lost, if that goes on; undefined: never, or not known. */
  readonly secondsLeft?: number;
  /** Where the server's sender stands in the log. */
  readonly sentLsn?: string;
  readonly at: Date;
}
