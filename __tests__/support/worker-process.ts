/** The bundled worker as a process of its own, for tests that start, watch, signal and kill it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../scripts/cluster";

const bundle = join(__dirname, "..", "..", "dist", "worker.js");
const defaultTimeoutMs = 30_000;
const pollIntervalMs = 20;

export interface LogLine {
  readonly level: string | number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface WorkerProcessOptions {
  readonly nodeOptions?: readonly string[];
  /** The worker's own arguments: a subcommand and its options. */
  readonly args?: readonly string[];
}

export class WorkerProcess implements AsyncDisposable {
  /** The JSON lines of stdout so far. */
  readonly lines: LogLine[] = [];
  /** Everything written to stdout, also what is no JSON. */
  stdout = "";
  stderr = "";
  /** Settles when the process is gone and its output is read to the end. */
  readonly exited: Promise<WorkerExit>;
  #ended = false;

  private constructor(private readonly child: ChildProcess) {
    // The mark by which global-setup.ts ends what a test left running.
    const mark = join(tmpdir(), `${child.pid}.pid`);
    writeFileSync(mark, String(child.pid));
    this.#read();
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        this.#ended = true;
        rmSync(mark, { force: true });
        resolve({ code, signal });
      });
    });
  }

  /** With nothing of this process's environment but PATH. */
  static start(
    env: Readonly<Record<string, string>>,
    { nodeOptions = [], args = [] }: WorkerProcessOptions = {},
  ): WorkerProcess {
    if (!existsSync(bundle))
      throw new Error(`${bundle} is missing; "npm run build" says why.`);
    const child = spawn(
      process.execPath,
      [...nodeOptions, "--enable-source-maps", bundle, ...args],
      {
        env: { PATH: process.env.PATH, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    return new WorkerProcess(child);
  }

  get pid(): number {
    if (this.child.pid === undefined)
      throw new Error("The worker's process did not start.");
    return this.child.pid;
  }

  /**
   * The first log line, already there or to come, whose message contains the
   * text or for which the function says so.
   */
  async log(
    match: string | ((line: LogLine, index: number) => boolean),
    timeoutMs = defaultTimeoutMs,
  ): Promise<LogLine> {
    const matches =
      typeof match === "string"
        ? (line: LogLine) => line.msg.includes(match)
        : match;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const ended = this.#ended;
      const line = this.lines.find(matches);
      if (line) return line;
      if (ended || Date.now() > deadline)
        throw new Error(
          `The worker ${ended ? "ended" : "went on"} without the log line ${match}. It wrote:\n${this.#lastWords()}`,
        );
      await sleep(pollIntervalMs);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #read(): void {
    const { stdout, stderr } = this.child;
    if (!stdout || !stderr) throw new Error("The worker has no output.");
    createInterface({ input: stdout }).on("line", (text) => {
      this.stdout += `${text}\n`;
      const line = parseLine(text);
      if (line) this.lines.push(line);
    });
    stderr.setEncoding("utf8").on("data", (text) => {
      this.stderr += text;
    });
  }

  #lastWords(): string {
    return `${this.stdout.slice(-3000)}${this.stderr.slice(-3000)}`;
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

/** Variables for a worker between two databases; one database without `destination`. */
export function workerEnvironment(
  source: Cluster,
  sourceDatabase: string,
  destination?: { readonly cluster: Cluster; readonly database: string },
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    ...connection("DB", source, sourceDatabase),
    ...(destination &&
      connection("DEST_DB", destination.cluster, destination.database)),
    HTTP_PORT: "0",
    ...extra,
  };
}

function connection(prefix: string, cluster: Cluster, database: string) {
  return {
    [`${prefix}_HOST`]: cluster.host,
    [`${prefix}_PORT`]: String(cluster.port),
    [`${prefix}_NAME`]: database,
    [`${prefix}_USER`]: cluster.user,
    [`${prefix}_PASSWORD`]: cluster.password,
  };
}

/**
 * Waits until the probe gives something. An error of the probe counts as "not
 * yet" (the table it reads may not be there), and is shown if time runs out.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  timeoutMs = defaultTimeoutMs,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let problem: unknown;
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      problem = error;
    }
    if (Date.now() > deadline)
      throw new Error(
        `Not within ${timeoutMs} ms: ${what}${problem ? ` (${problem})` : ""}`,
        { cause: problem },
      );
    await sleep(pollIntervalMs);
  }
}
