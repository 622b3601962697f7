/** A child process that logs JSON lines on stdout, as the worker does. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** For the same reason as that of `eventually`. */
const defaultTimeoutMs = 90_000;
const pollIntervalMs = 20;
const lastWordsLength = 3_000;

/** A line of pino. */
export interface LogLine {
  readonly level: string | number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LoggedProcessOptions {
  /** The whole environment. */
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Called with each line as it comes. */
  readonly onLine?: (line: LogLine) => void;
}

export class LoggedProcess implements AsyncDisposable {
  /** The JSON lines of stdout so far. */
  readonly lines: LogLine[] = [];
  /** Everything on stdout so far, also what is no JSON. */
  stdout = "";
  stderr = "";
  /** Resolves when the process is gone and its output is read to the end. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  #hasExited = false;

  constructor(
    command: string,
    args: readonly string[],
    { onLine, ...options }: LoggedProcessOptions,
  ) {
    const child = spawn(command, args, {
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
      // A process group of its own: Ctrl-C in a terminal reaches only this
      // process, which passes it on when it is time.
      detached: true,
    });
    const killAtExit = () => child.kill("SIGKILL");
    process.once("exit", killAtExit);
    createInterface({ input: child.stdout }).on("line", (text) => {
      this.stdout += `${text}\n`;
      const line = parseLine(text);
      if (!line) return;
      this.lines.push(line);
      onLine?.(line);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.stderr += text;
    });
    child.on("error", (error) => {
      this.stderr += error.message;
    });
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        process.off("exit", killAtExit);
        this.#hasExited = true;
        resolve({ code, signal });
      });
    });
    this.#child = child;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined)
      throw new Error(`The process did not start: ${this.stderr}`);
    return pid;
  }

  /**
   * The first line, already there or to come, whose message contains the text
   * or that the function takes. Fails when the process ends without it.
   */
  async log(
    match: string | ((line: LogLine, index: number) => boolean),
    timeoutMs = defaultTimeoutMs,
  ): Promise<LogLine> {
    const takes =
      typeof match === "string"
        ? (line: LogLine) => line.msg.includes(match)
        : match;
    return await this.#until(
      `the log line "${match}"`,
      () => this.lines.find(takes),
      timeoutMs,
    );
  }

  /** Where the pattern first matches stdout, as `log` for what is no JSON. */
  async said(
    pattern: RegExp,
    timeoutMs = defaultTimeoutMs,
  ): Promise<RegExpExecArray> {
    return await this.#until(
      `${pattern} on stdout`,
      () => pattern.exec(this.stdout) ?? undefined,
      timeoutMs,
    );
  }

  async #until<T>(
    what: string,
    probe: () => T | undefined,
    timeoutMs: number,
  ): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const hasExited = this.#hasExited;
      const found = probe();
      if (found !== undefined) return found;
      if (hasExited || Date.now() > deadline) {
        const state = hasExited ? "ended" : `went on for ${timeoutMs} ms`;
        throw new Error(
          `The process ${state} without ${what}. Its last words:\n${this.lastWords()}`,
        );
      }
      await sleep(pollIntervalMs);
    }
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  lastWords(): string {
    return `${this.stdout.slice(-lastWordsLength)}${this.stderr.slice(-lastWordsLength)}`;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** As Ctrl-C does; kills it when it has not ended within the time. */
  async stop(timeoutMs: number): Promise<void> {
    this.signal("SIGINT");
    const patience = new AbortController();
    const tooLong = sleep(timeoutMs, "too long", patience);
    const ended = await Promise.race([this.exited, tooLong]);
    patience.abort();
    if (ended === "too long") await this.kill();
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function parseLine(text: string): LogLine | undefined {
  try {
    const line = JSON.parse(text);
    return typeof line?.msg === "string" ? line : undefined;
  } catch {
    return undefined;
  }
}
