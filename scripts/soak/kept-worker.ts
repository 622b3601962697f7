/** A worker that is started again whenever it ended, as a service does. */
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LoggedProcess, type LogLine } from "../logged-process";

const BUNDLE = join(dirname(dirname(__dirname)), "dist", "worker.js");
const RSS_POLL_MS = 1_000;
const RESTART_DELAY_MS = 100;
const STOP_TIMEOUT_MS = 15_000;

/** Resident memory of one process, over its life. */
export interface Life {
  readonly rssMiB: number[];
}

export interface KeptWorkerOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** What goes before its command, to run it in another place. @default nothing */
  readonly enter?: readonly string[];
}

export class KeptWorker implements AsyncDisposable {
  readonly lives: Life[] = [];
  /** What must not be, in words; after the first it is not started again. */
  readonly faults: string[] = [];
  /** Resolves at the first fault. */
  readonly failed: Promise<void>;
  starts = 0;
  /** Exit code 1: gave up on what a restart may help with. */
  givenUp = 0;
  readonly #options: KeptWorkerOptions;
  readonly #running: Promise<void>;
  #current: LoggedProcess | undefined;
  #isAsked = false;
  #isOver = false;
  #fail: () => void = () => undefined;

  constructor(options: KeptWorkerOptions) {
    this.#options = options;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { env, logFile, enter = [] } = this.#options;
    // As the image does: source maps would be counted as the worker's memory.
    const [program = "", ...args] = [...enter, process.execPath, BUNDLE];
    while (!this.#isOver) {
      this.#isAsked = false;
      this.starts++;
      const worker = new LoggedProcess(program, args, {
        env: { PATH: process.env.PATH, ...env },
        onLine: (line) => this.#read(line),
      });
      this.#current = worker;
      const life: Life = { rssMiB: [] };
      this.lives.push(life);
      const sampling = setInterval(() => {
        const rss = rssMiB(worker.pid);
        if (rss !== undefined) life.rssMiB.push(rss);
      }, RSS_POLL_MS);
      const { code, signal } = await worker.exited;
      clearInterval(sampling);
      appendFileSync(logFile, `${worker.stdout}${worker.stderr}`);
      if (code === 1) this.givenUp++;
      else if (!this.#isAsked) {
        this.#blame(`the worker ended with ${code ?? signal}`);
      }
      await sleep(RESTART_DELAY_MS);
    }
  }

  /** A failure that is no consequence of what is done to it. */
  #read({ level, msg, exitCode }: LogLine): void {
    if (level === "fatal" && exitCode !== 1) {
      this.#blame(`the worker said: ${msg}`);
    }
  }

  #blame(what: string): void {
    this.faults.push(what);
    this.#isOver = true;
    this.#fail();
  }

  async kill(): Promise<void> {
    this.#isAsked = true;
    await this.#current?.kill();
  }

  /** As a deployment does. */
  async stop(): Promise<void> {
    this.#isAsked = true;
    const worker = this.#current;
    worker?.signal("SIGTERM");
    const patience = new AbortController();
    const late = sleep(STOP_TIMEOUT_MS, "late", patience).catch(() => "");
    const ended = await Promise.race([worker?.exited, late]);
    patience.abort();
    if (ended !== "late") return;
    this.#blame("the worker did not stop");
    await worker?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.kill();
    await this.#running;
  }
}

/** Undefined where there is no /proc, or no process any more. */
function rssMiB(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  } catch {
    return undefined;
  }
}
