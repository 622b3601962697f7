/**
 * Reads single variables by the rules of the table. What is wrong is collected
 * instead of thrown, so that an operator sees all of it at once; a value that
 * stands in for a wrong one is never used, because `readSettings` throws then.
 */
import { allowedInstead } from "../../config/variable-values";
import {
  type ChoiceOf,
  type WorkerVariableName,
  workerVariables,
} from "../../config/worker-variables";

export type Environment = Readonly<Record<string, string | undefined>>;

export class VariableReader {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];

  constructor(private readonly env: Environment) {}

  isSet(name: WorkerVariableName): boolean {
    return this.optional(name) !== undefined;
  }

  /** What is set, unchecked; empty counts as unset. */
  optional(name: WorkerVariableName): string | undefined {
    return this.env[name] || undefined;
  }

  /** The default, or the empty text. */
  defaultOf(name: WorkerVariableName): string {
    return workerVariables[name].default?.toString() ?? "";
  }

  /** What is set, or else the default, or else nothing and a problem. */
  text(name: WorkerVariableName): string {
    const value =
      this.optional(name) ?? workerVariables[name].default?.toString();
    if (value === undefined) this.missing(name);
    return value ?? "";
  }

  /** A name that PostgreSQL would not cut, or a user's name. */
  name(name: WorkerVariableName): string {
    return this.#checked(name, this.text(name));
  }

  identifier(name: WorkerVariableName): string {
    return this.#checked(name, this.text(name));
  }

  host(name: WorkerVariableName): string {
    return this.#checked(name, this.text(name));
  }

  /** @returns undefined when unset and without a default. */
  optionalInteger(name: WorkerVariableName): number | undefined {
    const text =
      this.optional(name) ?? workerVariables[name].default?.toString();
    return text === undefined ? undefined : Number(this.#checked(name, text));
  }

  integer(name: WorkerVariableName): number {
    return this.optionalInteger(name) ?? 0;
  }

  choice<N extends WorkerVariableName>(
    name: N,
    fallback?: ChoiceOf<N> & string,
  ): ChoiceOf<N> {
    const value: string = this.optional(name) ?? fallback ?? this.text(name);
    return this.#checked(name, value) as ChoiceOf<N>;
  }

  /** The variable is needed and not set. */
  missing(name: WorkerVariableName): void {
    const { requiredWhen, description } = workerVariables[name];
    const when = requiredWhen ? ` when ${requiredWhen}` : "";
    const text = `${name}: not set, and required${when}; set it. ${description}`;
    this.problems.push(text.replaceAll("`", ""));
  }

  /** The variable is set to something else than `allowed`. */
  invalid(name: WorkerVariableName, allowed: string, remedy?: string): void {
    const { default: fallback, required } = workerVariables[name];
    const unset =
      fallback === undefined ? "or unset it" : `or unset it for ${fallback}`;
    this.problems.push(
      `${name}: got ${this.shown(name)}, allowed: ${allowed}; ${
        remedy ?? (required ? "correct it" : `correct it ${unset}`)
      }`,
    );
  }

  /** A value that is there is one of the allowed ones, or a problem. */
  #checked(name: WorkerVariableName, value: string): string {
    const allowed = value === "" ? undefined : allowedInstead(name, value);
    if (allowed !== undefined) this.invalid(name, allowed);
    return value;
  }

  /**
   * A value as it may be printed. People put secrets where they do not belong:
   * a URL with a password for a host, a key for a path.
   */
  private shown(name: WorkerVariableName): string {
    const value = this.optional(name) ?? "";
    const { secret, type } = workerVariables[name];
    const isNoPath = type === "file" && !value.includes("/");
    if (secret || isNoPath || value.includes("PRIVATE KEY")) {
      return "a value that is not shown";
    }
    const text = value.replace(/^.*@/s, "…@");
    return JSON.stringify(text.length > 100 ? `${text.slice(0, 99)}…` : text);
  }
}
