/**
 * How the stream gets on, told apart by who has to do something about it:
 * a worker that is alive and stuck looks from outside like one that is idle.
 */

/**
 * - `streaming`: caught up
 * - `catching-up`: there is a backlog, and it is being worked on
 * - `blocked-by-destination`: a write does not end
 * - `blocked-by-source`: nothing comes, not even an answer
 * - `dead`: there is work, and nobody does it; only a restart helps
 */
export type Condition =
  | "streaming"
  | "catching-up"
  | "blocked-by-destination"
  | "blocked-by-source"
  | "dead";

/** A step that takes longer is worth saying who is waited for. */
export const STALL_MS = 30_000;
/** What was committed longer ago should be stored. */
const CATCHING_UP_MS = 10_000;
/** The same in bytes, for where no heartbeat may be written. */
const CATCHING_UP_BYTES = 64 * 1024 * 1024;
/**
 * No restart makes a destination faster, and it would begin a transaction of
 * many million rows anew; after this long somebody should look.
 */
const BLOCKED_UNHEALTHY_MS = 60 * 60_000;

/** What is known of a session; all times are of one clock, in milliseconds. */
export interface Facts {
  readonly nowMs: number;
  /** A write is under way, and when the last one began or ended. */
  readonly isWriting: boolean;
  readonly writeMs: number;
  /** Frames are being read, and when the last were taken or done with. */
  readonly isReading: boolean;
  readonly readMs: number;
  /** Frames wait to be read. */
  readonly hasWaiting: boolean;
  /** Enough waits; the socket rests, and its silence is ours. */
  readonly rests: boolean;
  /** When the last frame came. */
  readonly receivedMs: number;
  /** When the server's own position in the log was last seen to move. */
  readonly sentMs: number;
  /** When the oldest heartbeat was sent that has not come back. */
  readonly heartbeatSinceMs: number | undefined;
  /** Without heartbeats, the log since the confirmed position says it. */
  readonly hasHeartbeats: boolean;
  readonly lagBytes: number | undefined;
}

export interface Judgement {
  readonly condition: Condition;
  readonly sinceMs: number;
}

/** `before`: the last judgement, whose beginning is kept while it stays true. */
export function judge(facts: Facts, before?: Judgement): Judgement {
  const { condition, sinceMs } = present(facts);
  if (sinceMs !== undefined) return { condition, sinceMs };
  if (before?.condition === condition) return before;
  return { condition, sinceMs: facts.nowMs };
}

/** Healthy is what a restart cannot help, and nobody has to look at. */
export function isHealthy(judgement: Judgement, nowMs: number): boolean {
  switch (judgement.condition) {
    case "dead":
      return false;
    case "blocked-by-destination":
      return nowMs - judgement.sinceMs < BLOCKED_UNHEALTHY_MS;
    default:
      // A source that shows no sign of life loses its connection (watchdog.ts).
      return true;
  }
}

export function isBlocked(condition: Condition): boolean {
  return condition !== "streaming" && condition !== "catching-up";
}

function present(facts: Facts): {
  readonly condition: Condition;
  readonly sinceMs?: number;
} {
  const { nowMs, isWriting, writeMs, isReading, readMs, receivedMs } = facts;
  const isLong = (sinceMs: number) => nowMs - sinceMs >= STALL_MS;
  if (isWriting && isLong(writeMs)) {
    return { condition: "blocked-by-destination", sinceMs: writeMs };
  }
  // Reading waits for nothing but the catalogue.
  if (isReading && isLong(readMs)) {
    return { condition: "blocked-by-source", sinceMs: readMs };
  }
  if (facts.hasWaiting && !isWriting && !isReading && isLong(readMs)) {
    return { condition: "dead", sinceMs: readMs };
  }
  // A silent stream is asked for an answer every few seconds.
  if (!facts.rests && isLong(receivedMs)) {
    return isLong(facts.sentMs)
      ? { condition: "blocked-by-source", sinceMs: receivedMs }
      : // It reads through log that is not ours.
        { condition: "catching-up" };
  }
  return { condition: hasBacklog(facts) ? "catching-up" : "streaming" };
}

function hasBacklog(facts: Facts): boolean {
  const { nowMs, heartbeatSinceMs, hasHeartbeats, lagBytes } = facts;
  return hasHeartbeats
    ? heartbeatSinceMs !== undefined &&
        nowMs - heartbeatSinceMs >= CATCHING_UP_MS
    : lagBytes !== undefined && lagBytes >= CATCHING_UP_BYTES;
}
