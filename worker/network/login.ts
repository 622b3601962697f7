/**
 * The password of one role at one server, and how often the server has refused
 * it. Failed log-ins lock accounts, so a password is tried five times at
 * the most, by whichever connection needs it; another one in its file is taken
 * up within seconds.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { LoginError } from "../errors";

/** Failed log-ins with one password, in one process. */
export const MAX_REFUSALS = 5;
/** Between them: a role's password may be changed after its secret was. */
const FIRST_DELAY_MS = 10_000;
const DELAY_FACTOR = 4;
/** So many, and a worker that goes on by its open connections says so. */
const STALE_REFUSALS = 3;
/** A log-in under way counts as refused for as long as it may take. */
const ATTEMPT_MS = 20_000;
const LOOK_MS = 1_000;

export interface PasswordSource {
  /** @throws Error when there is none now. */
  read(): Promise<string>;
  /** False: only a restart brings another one. */
  readonly mayChange: boolean;
}

export class Login {
  readonly #source: PasswordSource;
  readonly #nowMs: () => number;
  #last = "";

  constructor(
    source: PasswordSource,
    /** Of this role at this server, shared by all connections of it. */
    readonly refusals: Refusals,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#source = source;
    this.#nowMs = nowMs;
  }

  /**
   * For a connection that is made now. What becomes of it is to be told by
   * `accepted` or `refused`.
   *
   * @throws LoginError when the server has refused it, and it is not time yet.
   */
  async password(): Promise<string> {
    const password = await this.#source.read();
    this.#last = password;
    const refusal = this.refusals.take(password, this.#nowMs());
    if (refusal) throw this.#error(password, refusal);
    return password;
  }

  /**
   * Only a restart brings another password, and this one is refused again and
   * again: what is open goes on, and what has to be made anew does not.
   */
  get isStale(): boolean {
    const { mayChange } = this.#source;
    return !mayChange && this.refusals.times(this.#last) >= STALE_REFUSALS;
  }

  accepted(password: string): void {
    this.refusals.remove(password);
  }

  /** The error to throw: that the server refused this password. */
  refused(password: string, refusal: Refusal): LoginError {
    this.refusals.add(password, this.#nowMs(), refusal);
    return this.#error(password, refusal);
  }

  #error(password: string, { problem, error }: Refusal): LoginError {
    const { mayChange } = this.#source;
    const delayMs = this.refusals.delayMs(password, this.#nowMs());
    const end = delayMs === undefined ? `; ${gaveUp(mayChange)}` : "";
    return new LoginError(
      `${problem}${end}`,
      {
        delayMs,
        isFinal: delayMs === undefined && !mayChange,
        until: (signal) => this.#untilUsable(delayMs, signal),
      },
      { cause: error },
    );
  }

  /** Until this password may be tried again, or its file has another one. */
  async #untilUsable(
    delayMs: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.#source.mayChange) return rest(delayMs ?? LOOK_MS, signal);
    let before: string | undefined;
    while (!signal.aborted) {
      await rest(LOOK_MS, signal);
      // A file that is away or empty for a moment is being written.
      const now = await this.#source.read().catch(() => undefined);
      // Seen twice: a half of a password would be one more failed log-in.
      const isWhole = now !== undefined && now === before;
      if (isWhole && this.refusals.delayMs(now, this.#nowMs()) === 0) return;
      before = now;
    }
  }
}

export interface Refusal {
  /** What it means and what to do. */
  readonly problem: string;
  /** As the server said it. */
  readonly error: unknown;
}

interface Tries {
  readonly times: number;
  readonly nextMs: number;
  readonly refusal: Refusal;
}

/** What one server has refused for one role; passwords only as their hashes. */
export class Refusals {
  readonly #tries = new Map<string, Tries>();
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** How often it was refused since it was last accepted. */
  times(password: string): number {
    return this.#tries.get(hash(password))?.times ?? 0;
  }

  /** Until it may be tried; 0: now; undefined: never again. */
  delayMs(password: string, nowMs: number): number | undefined {
    const tries = this.#tries.get(hash(password));
    if (!tries) return 0;
    if (tries.times >= MAX_REFUSALS) return undefined;
    return Math.max(0, Math.ceil(tries.nextMs - nowMs));
  }

  /**
   * Undefined: it may be tried, by whoever asks and by nobody else meanwhile.
   * Otherwise why it was refused.
   */
  take(password: string, nowMs: number): Refusal | undefined {
    const tries = this.#tries.get(hash(password));
    if (!tries) return undefined;
    if (this.delayMs(password, nowMs) !== 0) return tries.refusal;
    this.#tries.set(hash(password), { ...tries, nextMs: nowMs + ATTEMPT_MS });
    return undefined;
  }

  add(password: string, nowMs: number, refusal: Refusal): void {
    const times = this.times(password) + 1;
    const delayMs = FIRST_DELAY_MS * DELAY_FACTOR ** (times - 1);
    const nextMs = nowMs + delayMs * (0.75 + this.#random() / 2);
    this.#tries.set(hash(password), { times, nextMs, refusal });
  }

  remove(password: string): void {
    this.#tries.delete(hash(password));
  }
}

function gaveUp(mayChange: boolean): string {
  return mayChange
    ? `refused ${MAX_REFUSALS} times, it is not tried again until the file has another one`
    : `refused ${MAX_REFUSALS} times, it is not tried again: a restart brings what the variable is then`;
}

function hash(password: string): string {
  return createHash("sha256").update(password).digest("base64");
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
