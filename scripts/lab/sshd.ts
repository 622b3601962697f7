/**
 * A jump host: OpenSSH's own server as an ordinary user, on a free port of the
 * loopback, with keys of its own. It has nothing to do with the system's.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import { eventually } from "../eventually";
import { freePort } from "../free-port";
import { sshKey } from "../keys/ssh-key";
import { type Owner, unprivilegedOwner } from "../unprivileged-owner";
import { childrenOf, descendantsOf, isRunning, sendSignal } from "./processes";
import {
  createSshdFolder,
  type SshdConfig,
  type SshdFolder,
  type SshKeyPair,
} from "./sshd-folder";

export interface SshdOptions {
  /** Lines of sshd_config, over what makes it run as an ordinary user. */
  readonly config?: SshdConfig;
  /** Before the key in authorized_keys, such as `restrict,port-forwarding`. */
  readonly keyOptions?: string;
  /** Public keys that are let in beside `clientKey`. */
  readonly authorizedKeys?: readonly string[];
  /** @default one Ed25519 key */
  readonly hostKeys?: readonly [SshKeyPair, ...SshKeyPair[]];
}

/** Undefined: there is none to start; Debian's package is `openssh-server`. */
export const sshdPath: string | undefined =
  process.platform === "linux"
    ? ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].find(
        existsSync,
      )
    : undefined;

export const NO_SSHD =
  "There is no sshd to start: this needs Linux and OpenSSH's server (on Debian: apt-get install openssh-server).";

/** Resolves when it takes connections. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  if (sshdPath === undefined) {
    throw new Error(NO_SSHD);
  }
  const owner = await unprivilegedOwner();
  const { stdout } = await promisify(execFile)("id", ["-un"], owner);
  const hostKeys = options.hostKeys ?? [sshKey.generate("host")];
  const clientKey = sshKey.generate("client");
  const { keyOptions } = options;
  const port = await freePort();
  const folder = await createSshdFolder(owner, {
    port,
    config: options.config ?? {},
    hostKeys,
    authorizedKeys: [
      ...(options.authorizedKeys ?? []),
      [...(keyOptions ? [keyOptions] : []), clientKey.publicKey].join(" "),
    ],
  });
  const sshd = new Sshd(
    { port, user: stdout.trim(), hostKey: hostKeys[0].publicKey, clientKey },
    { program: sshdPath, owner, folder },
  );
  try {
    await sshd.startAgain();
    return sshd;
  } catch (error) {
    await sshd[Symbol.asyncDispose]();
    throw error;
  }
}

export class Sshd implements AsyncDisposable {
  readonly host = "127.0.0.1";
  /** The same at every start. */
  readonly port: number;
  /** The only user that can log in: the one that the server runs as. */
  readonly user: string;
  /** `ssh-ed25519 AAAA… comment`, of the first host key. */
  readonly hostKey: string;
  /** A pair that is let in. */
  readonly clientKey: SshKeyPair;
  #listener: ChildProcess | undefined;
  /** Processes of connections that have outlived their listener. */
  readonly #orphans = new Set<number>();

  constructor(
    identity: Pick<Sshd, "port" | "user" | "hostKey" | "clientKey">,
    private readonly parts: {
      readonly program: string;
      readonly owner: Owner;
      readonly folder: SshdFolder;
    },
  ) {
    this.port = identity.port;
    this.user = identity.user;
    this.hostKey = identity.hostKey;
    this.clientKey = identity.clientKey;
    process.once("exit", this.#killAtExit);
  }

  /** The worker's variables for the way through this host. */
  get environment(): Record<string, string> {
    return {
      SSH_HOST: this.host,
      SSH_PORT: String(this.port),
      SSH_USER: this.user,
      SSH_HOST_KEY: this.hostKey,
      SSH_PRIVATE_KEY: this.clientKey.privateKey,
    };
  }

  /** Everything since the first start; says who logged in and what is refused. */
  get logged(): string {
    return readFileSync(this.parts.folder.logFile, "utf8");
  }

  /** SSH connections that are open now, also those that have not logged in. */
  get connections(): number {
    const pid = this.#listener?.pid;
    return pid === undefined ? 0 : childrenOf(pid).length;
  }

  /** Log-ins since the first start. */
  get logins(): number {
    return this.logged.match(/^Accepted publickey for /gm)?.length ?? 0;
  }

  async startAgain(): Promise<void> {
    const { program, owner, folder } = this.parts;
    const listening = /^Server listening on /gm;
    const starts = this.logged.match(listening)?.length ?? 0;
    const log = openSync(folder.logFile, "a");
    // In the foreground, log on stderr. It wants its own path to be absolute.
    const listener = spawn(program, ["-D", "-e", "-f", folder.configFile], {
      ...owner,
      cwd: folder.path,
      env: { PATH: process.env.PATH },
      stdio: ["ignore", "ignore", log],
      detached: true,
    });
    closeSync(log);
    this.#listener = listener;
    await once(listener, "spawn");
    await eventually("sshd listens", async () => {
      if (listener.exitCode !== null) return true;
      return (this.logged.match(listening)?.length ?? 0) > starts;
    });
    if (listener.exitCode !== null) {
      throw new Error(`sshd ended at once. It said:\n${this.logged}`);
    }
  }

  /**
   * @param open - `cut`: as a host that is switched off; `stay`: as a restart of
   *   the service, which leaves connections alone
   */
  async stop(open: "cut" | "stay" = "cut"): Promise<void> {
    const listener = this.#listener;
    const pids = this.#processes();
    this.#listener = undefined;
    if (
      listener &&
      listener.exitCode === null &&
      listener.signalCode === null
    ) {
      const exited = once(listener, "exit");
      listener.kill("SIGKILL");
      await exited;
    }
    for (const pid of pids) this.#orphans.add(pid);
    if (open === "stay") return;
    sendSignal(this.#orphans, "SIGKILL");
    await eventually("the connections are closed", async () =>
      [...this.#orphans].every((pid) => !isRunning(pid)),
    );
    this.#orphans.clear();
  }

  /** As a host that hangs: connections are taken, and nothing is said. */
  pause(): void {
    sendSignal(this.#processes(), "SIGSTOP");
  }

  resume(): void {
    sendSignal(this.#processes(), "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    process.off("exit", this.#killAtExit);
    await rm(this.parts.folder.path, { recursive: true, force: true });
  }

  #processes(): number[] {
    const pid = this.#listener?.pid;
    return [
      ...(pid === undefined ? [] : [pid, ...descendantsOf(pid)]),
      ...this.#orphans,
    ];
  }

  /** For a Node that ends without disposing. */
  readonly #killAtExit = (): void => sendSignal(this.#processes(), "SIGKILL");
}
