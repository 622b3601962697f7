/** The example application in `mikro-orm/example`, as a process of its own. */
import { once } from "node:events";
import { dirname, join } from "node:path";
import { LoggedProcess } from "./logged-process";

const stopTimeoutMs = 5_000;

export interface ListeningOptions {
  readonly interrupted: AbortSignal;
  readonly timeoutMs: number;
}

export class TodoApplication implements AsyncDisposable {
  /** Rejects when the application ends without being asked to; never resolves. */
  readonly failed: Promise<never>;
  readonly #process: LoggedProcess;
  #isStopping = false;

  private constructor(application: LoggedProcess) {
    this.#process = application;
    this.failed = application.exited.then(({ code }) => {
      if (this.#isStopping) return new Promise<never>(() => {});
      throw new Error(
        `The to-do application ended (exit code ${code}).\n${application.lastWords()}`,
      );
    });
    // It may end when nobody waits for it; what is awaited next fails as well.
    this.failed.catch(() => {});
  }

  /**
   * As its own `npm start` does, on a free port. tsx takes the package from its
   * source, by `paths` of the tsconfig.json above the folder: a clean clone has
   * no `dist/`, and one that is there may be old.
   */
  static spawn(databaseUrl: string): TodoApplication {
    return new TodoApplication(
      new LoggedProcess(process.execPath, ["--import", "tsx", "server.ts"], {
        cwd: join(dirname(__dirname), "mikro-orm", "example"),
        env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, PORT: "0" },
      }),
    );
  }

  /** Its URL, when its migrations have run and it takes requests. */
  async listening(options: ListeningOptions): Promise<string> {
    const { interrupted, timeoutMs } = options;
    interrupted.throwIfAborted();
    const said = await Promise.race([
      this.#process.said(/http:\/\/\S+/, timeoutMs),
      this.failed,
      once(interrupted, "abort"),
    ]);
    interrupted.throwIfAborted();
    return String(said[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#process.stop(stopTimeoutMs);
  }
}
