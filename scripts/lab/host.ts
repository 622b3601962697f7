/**
 * A machine: a disk of its own, processes of its own, and the network of its
 * namespace. Its processes end with it, and it ends with this process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../eventually";

const STAND_INS = join(__dirname, "stand-ins");
const START_TIMEOUT_MS = 20_000;

export interface HostOptions {
  /** Of the namespace: what goes before a command. */
  readonly enterNetwork: readonly string[];
  /** Disk and records. */
  readonly folder: string;
  /** Shared by all hosts, in place of /etc/hosts. */
  readonly hostsFile: string;
}

export class Host implements AsyncDisposable {
  readonly #options: HostOptions;
  #boot: ChildProcess | undefined;
  #firstPid: number | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  /** Survives the host's end, and its disk's. */
  get folder(): string {
    return this.#options.folder;
  }

  /** @param disk - `new`: nothing of an earlier life is on it */
  async start(disk: "new" | "same" = "new"): Promise<void> {
    if (this.#boot) throw new Error("The host runs already; end it first.");
    const { enterNetwork, folder, hostsFile } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o755 });
    if (disk === "new") {
      await rm(join(folder, "disk"), { recursive: true, force: true });
    }
    const [program = "", ...network] = enterNetwork;
    const boot = spawn(
      program,
      [
        ...network,
        ...["unshare", "--mount", "--pid", "--fork", "--kill-child"],
        ...["--mount-proc", "--propagation", "private", "--"],
        ...["bash", join(STAND_INS, "boot"), join(folder, "disk"), STAND_INS],
        hostsFile,
      ],
      { stdio: ["pipe", "pipe", "pipe"], detached: true },
    );
    this.#boot = boot;
    let said = "";
    for (const stream of [boot.stdout, boot.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        said += text;
      });
    }
    boot.stdin.on("error", () => undefined);
    await eventually(
      "a host has started",
      async () => {
        if (boot.exitCode !== null) {
          throw new Error(`a host did not start: ${said}`);
        }
        return said.includes("ready\n");
      },
      START_TIMEOUT_MS,
    );
    const children = `/proc/${boot.pid}/task/${boot.pid}/children`;
    this.#firstPid = Number.parseInt(await readFile(children, "utf8"), 10);
  }

  get isRunning(): boolean {
    return this.#boot !== undefined;
  }

  /**
   * What goes before a command to run it here. It becomes the command itself,
   * so that a signal to it is one to the command, but it does not end with the
   * host, only with this process: what has to is started with `enterWhole`.
   */
  enter(): readonly string[] {
    return [
      ...["setpriv", "--pdeathsig=KILL", "--"],
      ...["nsenter", "-t", this.#pid(), "--mount", "--net", "--"],
    ];
  }

  /** The same for a command that ends with the host; it stays in between. */
  enterWhole(): readonly string[] {
    return ["nsenter", "-t", this.#pid(), "--mount", "--net", "--pid", "--"];
  }

  /** As when the power fails. */
  async kill(): Promise<void> {
    const boot = this.#boot;
    if (!boot) return;
    this.#boot = undefined;
    const exited = once(boot, "close");
    if (boot.exitCode === null && boot.signalCode === null) {
      boot.kill("SIGKILL");
      await exited;
    }
    this.#firstPid = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #pid(): string {
    if (!this.#firstPid) throw new Error("The host does not run.");
    return String(this.#firstPid);
  }
}
