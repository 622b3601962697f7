/**
 * What goes wrong, sorted by what happens next: wait and try again, tell an
 * operator, or stop with a bug. Decided from SQLSTATE and errno, never from a
 * message's text, which differs between versions and languages.
 */

/** Exit codes of the worker (docs/operations.md). */
export const EXIT_CODE = {
  stopped: 0,
  failed: 1,
  configuration: 2,
  operator: 3,
} as const;

/** A server that cannot be reached now; trying again can help. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

interface RefusalOptions extends ErrorOptions {
  /** @default false */
  readonly isTls?: boolean;
}

/** A variable is wrong or missing. Exit code 2. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  /**
   * Two hosts that do not agree on TLS: nobody has tried to log in, and a
   * certificate or an authority can be replaced under a running worker.
   */
  readonly isTls: boolean;
  constructor(
    /** One sentence each: variable, what was got, what is allowed. */
    readonly problems: readonly string[],
    { isTls = false, ...options }: RefusalOptions = {},
  ) {
    super(problems.join("\n"), options);
    this.isTls = isTls;
  }
}

/**
 * A trail's source is a standby. A failover may be under way, so this is waited
 * out for a time before it is taken for a wrong DB_HOST.
 */
export class StandbyError extends ConfigurationError {}

/** The server refuses the password (network/login.ts). */
export class LoginError extends ConfigurationError {
  constructor(
    problem: string,
    readonly retry: LoginRetry,
    options: ErrorOptions,
  ) {
    super([problem], options);
  }
}

export interface LoginRetry {
  /** Until this password is tried again; undefined: not any more. */
  readonly delayMs: number | undefined;
  /** Neither this password nor another one: only a restart helps. */
  readonly isFinal: boolean;
  /** Resolves when it, or another one in its place, may be tried. */
  readonly until: (signal: AbortSignal) => Promise<void>;
}

/** Somebody must act on a server before the worker can go on. Exit code 3. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  /** As of a ConfigurationError. */
  readonly isTls: boolean;
  constructor(
    message: string,
    /** The command, SQL or document that resolves it. */
    readonly remedy: string,
    { isTls = false, ...options }: RefusalOptions = {},
  ) {
    super(message, options);
    this.isTls = isTls;
  }
}

/** Another worker owns the slot's watermark now; this one must end. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}
