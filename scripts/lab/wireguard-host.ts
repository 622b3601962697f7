/**
 * An end of the tunnel as cloud-init makes it: a new machine that runs its
 * user_data, with `dnf`, `modprobe`, `systemctl` and `aws` as small programs
 * that answer out of files and write down what they were asked.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../child-process";
import { Host, type HostOptions } from "./host";
import { ServiceManager } from "./service-manager";

export interface WireGuardHostOptions extends HostOptions {
  readonly userData: string;
  /** Name of the key pair's secret. */
  readonly secretName: string;
}

/** What a stand-in was asked. */
export interface Call {
  /** Unix time in seconds. */
  readonly at: number;
  readonly program: string;
  readonly args: readonly string[];
}

export class WireGuardHost implements AsyncDisposable {
  readonly host: Host;
  readonly #options: WireGuardHostOptions;
  readonly #services: ServiceManager;
  #userData: string;
  #cloudInit: ChildProcess | undefined;

  private constructor(options: WireGuardHostOptions) {
    this.#options = options;
    this.#userData = options.userData;
    const { folder } = options;
    this.host = new Host(options);
    this.#services = new ServiceManager({
      folder,
      enter: () => this.host.enterWhole(),
      environment: this.#environment(),
      journal: join(folder, "journal"),
      unitFolders: [
        "/lib/systemd/system",
        join(folder, "disk", "etc", "systemd", "system"),
      ],
    });
  }

  /** The host is there, but does not run. */
  static async create(options: WireGuardHostOptions): Promise<WireGuardHost> {
    await mkdir(join(options.folder, "secrets"), { recursive: true });
    const host = new WireGuardHost(options);
    await host.#services.listen();
    return host;
  }

  /** A new machine; cloud-init has begun. */
  async launch(): Promise<void> {
    await this.host.start("new");
    const { folder } = this.#options;
    const script = join(folder, "user-data");
    await writeFile(script, this.#userData, { mode: 0o700 });
    const [program = "", ...args] = [...this.host.enterWhole(), script];
    const console_ = openSync(join(folder, "console"), "a");
    this.#cloudInit = spawn(program, args, {
      env: this.#environment(),
      cwd: "/",
      stdio: ["ignore", console_, console_],
      detached: true,
    });
    closeSync(console_);
  }

  /** For the next machine. @returns whether it is another one */
  replaceUserData(text: string): boolean {
    const isOther = text !== this.#userData;
    this.#userData = text;
    return isOther;
  }

  /** The power fails. */
  async kill(): Promise<void> {
    this.#services.abandon();
    await this.host.kill();
  }

  /** After `kill`: the same disk, and what is enabled on it. */
  async boot(): Promise<void> {
    await this.host.start("same");
    await this.run("sysctl", "--system");
    this.#services.startEnabled();
  }

  /** Exit code of user_data; undefined while it runs. */
  get setUpCode(): number | null | undefined {
    return this.#cloudInit?.exitCode;
  }

  /** In Secrets Manager. @param text - undefined: there is none */
  async setSecret(text: string | undefined): Promise<void> {
    const path = this.#secretPath();
    if (text === undefined) await rm(path, { force: true });
    else await writeFile(path, text, { mode: 0o600 });
  }

  /** @throws when there is none */
  async secret(): Promise<string> {
    return await readFile(this.#secretPath(), "utf8");
  }

  /** Whether its role may read the secret, as it may at first. */
  async permit(isAllowed: boolean): Promise<void> {
    const path = `${this.#secretPath()}.denied`;
    if (isAllowed) await rm(path, { force: true });
    else await writeFile(path, "");
  }

  #secretPath(): string {
    const { folder, secretName } = this.#options;
    return join(folder, "secrets", secretName.replaceAll("/", "_"));
  }

  /** Runs a command on the host as root. @throws when it fails */
  async run(...command: readonly string[]): Promise<string> {
    const [program = "", ...args] = [...this.host.enter(), ...command];
    const env = this.#environment();
    const { code, stdout, stderr } = await runProgram(program, args, { env });
    if (code === 0) return stdout;
    throw new Error(`${command.join(" ")}: ${stderr.trim() || code}`);
  }

  /** Everything that the stand-ins were asked, since the lab began. */
  calls(): Call[] {
    const path = join(this.#options.folder, "calls");
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\x1f\n").slice(0, -1);
    return lines.map((line) => {
      const [at = "", program = "", ...args] = line.split("\x1f");
      return { at: Number(at), program, args };
    });
  }

  /** Lines of its log in CloudWatch. */
  log(): string[] {
    return this.#aws("logs").map(({ args }) => {
      const events = JSON.parse(args[args.indexOf("--log-events") + 1] ?? "[]");
      return String(events[0]?.message);
    });
  }

  /** Values of a metric, the newest one last. */
  metric(name: "HandshakeAgeSeconds" | "KeyFault"): number[] {
    const pattern = new RegExp(`MetricName=${name},Unit=\\w+,Value=(-?\\d+)`);
    return this.#aws("cloudwatch").map(({ args }) =>
      Number(pattern.exec(args.join(" "))?.[1]),
    );
  }

  /** What it did and said, for a person who looks for a reason. */
  lastWords(): string {
    const { folder } = this.#options;
    const texts = ["console", "journal"].map((name) => {
      const path = join(folder, name);
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      return `${name}:\n${text.slice(-3_000)}`;
    });
    return texts.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#services.close();
    await this.host[Symbol.asyncDispose]();
  }

  #aws(service: string): Call[] {
    return this.calls().filter(
      ({ program, args }) => program === "aws" && args[0] === service,
    );
  }

  #environment(): NodeJS.ProcessEnv {
    const { folder } = this.#options;
    return {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
      LAB_HOST: folder,
      LAB_SECRETS: join(folder, "secrets"),
      WG_QUICK_USERSPACE_IMPLEMENTATION: "wireguard-go",
    };
  }
}
