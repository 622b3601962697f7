/**
 * The canary: a message that the worker writes into the source's log
 * and that comes back in the stream. It gives an idle slot something to move on
 * with, and its round trip, measured by one clock, is the trail's delay: the
 * source's clock, which may be wrong, is not needed for it.
 */
import { randomUUID } from "node:crypto";
import type { Lsn } from "../lsn";

/** Prefix of the messages; `_bemi` alone is the application's context. */
export const HEARTBEAT_PREFIX = "_bemi_heartbeat";

/**
 * Under way at once. While the destination is away they wait; of more than
 * these the oldest says how long, and the newest are the first to be of use.
 */
const MAX_UNDER_WAY = 20;

interface UnderWay {
  readonly content: string;
  readonly sentMs: number;
  /** Known once it was read in the stream. */
  lsn?: Lsn;
}

/** Of one process: what was sent in one session may come back in the next. */
export class Heartbeats {
  /** Heartbeats that could not be sent. */
  failures = 0;
  readonly #nowMs: () => number;
  readonly #sender = randomUUID();
  #count = 0;
  #underWay: UnderWay[] = [];
  #roundTripMs: number | undefined;
  #returnedMs: number | undefined;

  /** `nowMs` is of a clock that nobody sets. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Content of a new one: other workers' heartbeats are in the stream too. */
  next(slotName: string): string {
    this.#count++;
    const content = `${slotName} ${this.#sender} ${this.#count}`;
    if (this.#underWay.length >= MAX_UNDER_WAY) this.#underWay.splice(1, 1);
    this.#underWay.push({ content, sentMs: this.#nowMs() });
    return content;
  }

  /** It could not be sent: the delay is not known any more. */
  failed(content: string): void {
    this.failures++;
    this.#underWay = this.#underWay.filter((beat) => beat.content !== content);
    this.#roundTripMs = undefined;
  }

  /** One was read in the stream, at `lsn`. */
  read(content: Buffer, lsn: Lsn): void {
    const text = content.toString("latin1");
    const beat = this.#underWay.find((each) => each.content === text);
    if (beat) beat.lsn = lsn;
  }

  /** Everything before `position` is stored, or was nothing to store. */
  reached(position: Lsn): void {
    const back = this.#underWay.findLastIndex(
      ({ lsn }) => lsn !== undefined && lsn <= position,
    );
    const beat = this.#underWay[back];
    if (!beat) return;
    this.#returnedMs = this.#nowMs();
    this.#roundTripMs = this.#returnedMs - beat.sentMs;
    // Those before it that did not come were lost, in a crash of the source.
    this.#underWay.splice(0, back + 1);
  }

  /** When the oldest was sent that has not come back. */
  get waitingSinceMs(): number | undefined {
    return this.#underWay[0]?.sentMs;
  }

  /**
   * How long a change committed at the source now takes to be stored, as far as
   * it is known: the last round trip, or the present one if that is longer.
   */
  get lagSeconds(): number | undefined {
    const since = this.waitingSinceMs;
    if (since === undefined) return seconds(this.#roundTripMs);
    return seconds(Math.max(this.#roundTripMs ?? 0, this.#nowMs() - since));
  }

  /** Since the last one came back. */
  get ageSeconds(): number | undefined {
    if (this.#returnedMs === undefined) return undefined;
    return seconds(this.#nowMs() - this.#returnedMs);
  }
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms) / 1000;
}
