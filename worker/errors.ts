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

/** A variable is wrong or missing. Exit code 2. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  constructor(
    /** One sentence each: variable, what was got, what is allowed. */
    readonly problems: readonly string[],
    options?: ErrorOptions,
  ) {
    super(problems.join("\n"), options);
  }
}

/**
 * A trail's source is a standby. A failover may be under way, so this is waited
 * out for a time before it is taken for a wrong DB_HOST (H25).
 */
export class StandbyError extends ConfigurationError {}

/** Somebody must act on a server before the worker can go on. Exit code 3. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  constructor(
    message: string,
    /** The command, SQL or document that resolves it. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Another worker owns the slot's watermark now; this one must end. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}
