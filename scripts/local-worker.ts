/** The worker from source, as a process of its own on its own variables. */
import { once } from "node:events";
import { dirname } from "node:path";
import { LoggedProcess, type LogLine } from "./logged-process";

const stopTimeoutMs = 15_000;
/** What a person should see of the log. */
const seriousLevels: ReadonlySet<unknown> = new Set(["warn", "error", "fatal"]);

/** The worker ended without being asked to. */
export class WorkerFailure extends Error {
  override readonly name = "WorkerFailure";
  constructor(
    readonly code: number | null,
    reason: string,
  ) {
    super(`The worker ended (exit code ${code}). ${reason}`);
  }
}

export interface StreamingOptions {
  readonly interrupted: AbortSignal;
  /** @default - as long as the worker itself keeps trying */
  readonly timeoutMs?: number;
}

export class LocalWorker implements AsyncDisposable {
  /** Rejects with a `WorkerFailure`; never resolves. */
  readonly failed: Promise<never>;
  readonly #process: LoggedProcess;
  #isStopping = false;

  private constructor(worker: LoggedProcess) {
    this.#process = worker;
    this.failed = worker.exited.then(({ code }) => {
      if (this.#isStopping) return new Promise<never>(() => {});
      throw new WorkerFailure(code, reason(worker));
    });
    // It may end when nobody waits for it; what is awaited next fails as well.
    this.failed.catch(() => {});
  }

  static spawn(env: NodeJS.ProcessEnv): LocalWorker {
    return new LocalWorker(
      new LoggedProcess(
        process.execPath,
        ["--import", "tsx", "worker/main.ts"],
        { env, cwd: dirname(__dirname), onLine: showSerious },
      ),
    );
  }

  /** Resolves when the worker receives changes. */
  async streaming(options: StreamingOptions): Promise<void> {
    const { interrupted, timeoutMs = Number.POSITIVE_INFINITY } = options;
    interrupted.throwIfAborted();
    await Promise.race([
      this.#process.log(({ msg }) => msg === "streaming", timeoutMs),
      this.failed,
      once(interrupted, "abort"),
    ]);
    interrupted.throwIfAborted();
  }

  /** The worker finishes what it has begun to write. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#process.stop(stopTimeoutMs);
  }
}

/** Its messages are sentences with a remedy; the other fields are for machines. */
function showSerious({ level, msg, remedy }: LogLine): void {
  if (!seriousLevels.has(level)) return;
  console.error(`worker: ${msg}${remedy ? `\n${remedy}` : ""}`);
}

/** What it logged is on the screen already; what cannot log writes to stderr. */
function reason({ lines, stderr }: LoggedProcess): string {
  const hasSaidWhy = lines.some(({ level }) => seriousLevels.has(level));
  if (hasSaidWhy) return "The reason is above.";
  return stderr.trim() || "It gave no reason; LOG_LEVEL=debug may show more.";
}
