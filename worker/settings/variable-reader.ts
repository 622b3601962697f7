/**
 * Reads single variables by the rules of the table. What is wrong is collected
 * instead of thrown, so that an operator sees all of it at once; a value that
 * stands in for a wrong one is never used, because `readSettings` throws then.
 */
import { isIP } from "node:net";
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
    const value = this.text(name);
    if (hasControls(value) || Buffer.byteLength(value) > 63) {
      this.invalid(name, "1 to 63 bytes without control characters");
    }
    return value;
  }

  identifier(name: WorkerVariableName): string {
    const value = this.text(name);
    if (!/^[a-z0-9_]{1,63}$/.test(value)) {
      this.invalid(name, "1 to 63 of the characters a to z, 0 to 9 and _");
    }
    return value;
  }

  host(name: WorkerVariableName): string {
    const value = this.text(name);
    const isName = /^[\p{L}\p{N}]([\p{L}\p{N}._-]{0,253})$/u.test(value);
    if (value !== "" && !isName && isIP(value) === 0) {
      this.invalid(
        name,
        "a host name or an IP address, without scheme, user, port or brackets",
      );
    }
    return value;
  }

  /** @returns undefined when unset and without a default. */
  optionalInteger(name: WorkerVariableName): number | undefined {
    const variable = workerVariables[name];
    const minimum = variable.minimum ?? 0;
    const maximum = variable.maximum ?? Number.MAX_SAFE_INTEGER;
    const text = this.optional(name) ?? variable.default?.toString();
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= minimum && value <= maximum)) {
      const unit = variable.unit ? ` of ${variable.unit}` : "";
      this.invalid(
        name,
        `a whole number${unit} from ${minimum} to ${maximum}, in digits`,
      );
    }
    return value;
  }

  integer(name: WorkerVariableName): number {
    return this.optionalInteger(name) ?? 0;
  }

  choice<N extends WorkerVariableName>(
    name: N,
    fallback?: ChoiceOf<N> & string,
  ): ChoiceOf<N> {
    const value: string = this.optional(name) ?? fallback ?? this.text(name);
    const choices: readonly string[] = workerVariables[name].choices ?? [];
    if (!choices.includes(value)) this.invalid(name, choices.join(", "));
    return value as ChoiceOf<N>;
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

function hasControls(value: string): boolean {
  return /\p{Cc}/u.test(value);
}
