/**
 * Looks every two seconds how the stream gets on. What happens often is counted
 * where it happens, and only here compared and given a time.
 */
import {
  type Condition,
  type Facts,
  isBlocked,
  type Judgement,
  judge,
} from "./condition";
import type { Log } from "./log";
import type { Activity } from "./pipeline";
import type { Status } from "./status";
import type { ReplicationStream } from "./stream/replication";

const LOOK_MS = 2_000;

const SENTENCES: Readonly<Record<Condition, string>> = {
  streaming: "everything is stored again",
  "catching-up": "goes on, with a backlog",
  "blocked-by-destination":
    "blocked by the destination: a write does not end; look for locks and load there",
  "blocked-by-source":
    "blocked by the source: nothing comes, not even an answer; look whether it is stopped, or reads through a huge transaction",
  dead: "frames wait and nobody reads them: a fault of the worker; restart it",
};

/** Keeps `status.judgement` until `signal`, and logs when a block comes or goes. */
export function watchCondition(
  parts: {
    readonly status: Status;
    readonly stream: Pick<ReplicationStream, "frames" | "chunks">;
    readonly activity: Activity;
    readonly log: Log;
  },
  signal: AbortSignal,
): void {
  const { status, stream, activity, log } = parts;
  const received = new Movement();
  const read = new Movement();
  const written = new Movement();
  const sent = new Movement();

  const look = (): void => {
    const nowMs = performance.now();
    const before = status.judgement;
    const facts: Facts = {
      nowMs,
      isWriting: activity.isWriting,
      writeMs: written.lastMs(activity.writes, nowMs),
      isReading: activity.isReading,
      readMs: read.lastMs(activity.reads, nowMs),
      hasWaiting: stream.frames.waitingBytes > 0,
      rests: stream.frames.paused,
      receivedMs: received.lastMs(stream.chunks, nowMs),
      sentMs: sent.lastMs(status.slot?.sentLsn, nowMs),
      heartbeatSinceMs: status.heartbeats.waitingSinceMs,
      hasHeartbeats: status.heartbeats.lagSeconds !== undefined,
      lagBytes: status.slot?.lagBytes,
    };
    const now = judge(facts, before);
    status.judgement = now;
    if (before) report(before, now, nowMs, log);
  };

  look();
  const timer = setInterval(look, LOOK_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    status.judgement = undefined;
  });
}

/** When something was last seen to be another than before. */
class Movement {
  #value: unknown;
  #ms: number | undefined;

  lastMs(value: unknown, nowMs: number): number {
    if (this.#ms === undefined || value !== this.#value) this.#ms = nowMs;
    this.#value = value;
    return this.#ms;
  }
}

function report(
  before: Judgement,
  now: Judgement,
  nowMs: number,
  log: Log,
): void {
  if (before.condition === now.condition) return;
  const fields = {
    condition: now.condition,
    since: new Date(Date.now() - (nowMs - now.sinceMs)),
  };
  if (isBlocked(now.condition)) log.warn(fields, SENTENCES[now.condition]);
  else if (isBlocked(before.condition))
    log.info(fields, SENTENCES[now.condition]);
}
