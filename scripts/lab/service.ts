/** One unit of a host: its processes, and when they are started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readFileSync } from "node:fs";
import type { Unit } from "./unit-file";

export interface ServiceHost {
  /** What goes before a command to run it on the host. */
  enter(): readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Takes what the processes say. */
  readonly journal: string;
}

export class Service {
  #isActive = false;
  #running: ChildProcess | undefined;
  #starting: Promise<boolean> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(
    readonly unit: Unit,
    readonly host: ServiceHost,
  ) {}

  get isActive(): boolean {
    return this.#isActive;
  }

  /** @returns false when a command of it failed */
  async start(): Promise<boolean> {
    if (this.#isActive) return true;
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return await this.#starting;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#retry);
    this.#isStopping = true;
    if (this.#isActive) {
      for (const command of this.unit.stop) await this.#run(command);
    }
    this.#isActive = false;
    const running = this.#running;
    if (running && !hasEnded(running)) {
      const ended = once(running, "exit");
      end(running, "SIGTERM");
      await ended;
    }
    await this.#starting;
    this.#isStopping = false;
  }

  /** The host has died, and its processes with it. */
  abandon(): void {
    clearTimeout(this.#retry);
    this.#isStopping = true;
    this.#isActive = false;
  }

  async #start(): Promise<boolean> {
    clearTimeout(this.#retry);
    const { type, start, remainsActive } = this.unit;
    if (type === "simple") {
      const child = this.#spawn(start[0] ?? "");
      this.#isActive = true;
      child.once("exit", (code) => {
        this.#isActive = false;
        this.#startLater(code === 0);
      });
      return true;
    }
    for (const command of start) {
      if (await this.#run(command)) continue;
      this.#startLater(false);
      return false;
    }
    this.#isActive = remainsActive;
    return true;
  }

  #startLater(succeeded: boolean): void {
    const { restart, restartSeconds } = this.unit;
    const isWanted =
      restart === "always" || (restart === "on-failure" && !succeeded);
    if (!isWanted || this.#isStopping) return;
    this.#retry = setTimeout(() => void this.start(), restartSeconds * 1000);
  }

  /** @returns whether it ended well */
  async #run(command: string): Promise<boolean> {
    const child = this.#spawn(command);
    const { startTimeoutSeconds } = this.unit;
    const tooLong = setTimeout(
      () => end(child, "SIGTERM"),
      startTimeoutSeconds * 1000,
    );
    const [code] = await once(child, "exit");
    clearTimeout(tooLong);
    return code === 0;
  }

  #spawn(command: string): ChildProcess {
    const { user, capabilities, noNewPrivileges, environment } = this.unit;
    const caps = capabilities.map(
      (name) => `+${name.replace(/^CAP_/, "").toLowerCase()}`,
    );
    const identity = [
      ...(user ? identityOf(user) : []),
      ...caps.flatMap((cap) => ["--inh-caps", cap, "--ambient-caps", cap]),
      ...(noNewPrivileges ? ["--no-new-privs"] : []),
    ];
    const [program = "", ...args] = [
      ...this.host.enter(),
      ...(identity.length > 0 ? ["setpriv", ...identity, "--"] : []),
      ...command.split(" "),
    ];
    const pairs = environment.map((text) => text.split("=", 2));
    const child = spawn(program, args, {
      env: { ...this.host.environment, ...Object.fromEntries(pairs) },
      stdio: ["ignore", "pipe", "pipe"],
      // The group is how all of its processes are found when it stops.
      detached: true,
    });
    const note = (text: string) =>
      appendFileSync(this.host.journal, `${this.unit.name}: ${text}`);
    child.stdout?.setEncoding("utf8").on("data", note);
    child.stderr?.setEncoding("utf8").on("data", note);
    child.on("error", ({ message }) => note(`${message}\n`));
    this.#running = child;
    return child;
  }
}

/** Its own group, whose name differs between distributions. */
function identityOf(user: string): readonly string[] {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const fields = lines.find((line) => line.startsWith(`${user}:`))?.split(":");
  if (!fields) throw new Error(`There is no user ${user} on this machine.`);
  const [, , uid, gid] = fields;
  return [`--reuid=${uid}`, `--regid=${gid}`, "--init-groups"];
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function end({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (!pid) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended by itself.
  }
}
