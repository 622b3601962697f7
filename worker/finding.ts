/** What a check found, in words that an operator can act on. */
import { ConfigurationError, OperatorError } from "./errors";

export interface Finding {
  /** Stable, for `check --json` and alarms: "slot-lost". */
  readonly code: string;
  /** An error stops the worker, a warning is logged. */
  readonly severity: "error" | "warning";
  /** One sentence: what, got, needed. */
  readonly message: string;
  /** The command, SQL or document that resolves it. */
  readonly remedy: string;
  /**
   * Of an error: 2, this server cannot be the source as configured; 3, somebody
   * must act on it.
   * @default 3
   */
  readonly exitCode?: 2 | 3;
}

/** Throws if there is an error among the findings, with all of them. */
export function refuse(findings: readonly Finding[]): void {
  const errors = findings.filter((finding) => finding.severity === "error");
  if (errors.length === 0) return;
  // An operator's errors go first: they come with a command to run.
  const acts = errors.filter((finding) => finding.exitCode !== 2);
  if (acts.length > 0) {
    throw new OperatorError(
      acts.map((finding) => finding.message).join("; "),
      acts.map((finding) => finding.remedy).join("\n"),
    );
  }
  throw new ConfigurationError(
    errors.map((finding) => `${finding.message}: ${finding.remedy}`),
  );
}
