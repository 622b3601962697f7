/**
 * What systemd does on a host, as far as the hosts' units need it: services and
 * timers, run as their files say. `systemctl` on the host asks it by a socket.
 */
import { appendFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Service, type ServiceHost } from "./service";
import { readUnit, type Unit } from "./unit-file";

export interface ServiceManagerOptions extends ServiceHost {
  /** The host's records. */
  readonly folder: string;
  /** Where its units are, the most important ones last. */
  readonly unitFolders: readonly string[];
}

export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  readonly #services = new Map<string, Service>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #enabled = new Set<string>();
  readonly #server: Server;
  #isOver = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      let asked = "";
      socket.setEncoding("utf8").on("error", () => undefined);
      socket.on("data", (text) => {
        asked += text;
        if (!asked.endsWith("\n")) return;
        this.#answer(asked.trim()).then(
          () => socket.end("0\n"),
          ({ message }: Error) => socket.end(`1 ${message}\n`),
        );
      });
    });
  }

  async listen(): Promise<void> {
    const path = join(this.#options.folder, "systemd.socket");
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(path, resolve);
    });
  }

  /** After a restart of the host with the same disk. */
  startEnabled(): void {
    for (const name of this.#enabled) void this.#start(name).catch(() => {});
  }

  /** The host has died: its processes are gone, and nothing is started again. */
  abandon(): void {
    for (const service of this.#services.values()) service.abandon();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#services.clear();
    this.#timers.clear();
  }

  close(): void {
    this.#isOver = true;
    this.abandon();
    this.#server.close();
  }

  async #answer(asked: string): Promise<void> {
    const words = asked.split(" ");
    this.#record(words);
    const [verb, ...rest] = words;
    const names = rest.filter((word) => !word.startsWith("-"));
    switch (verb) {
      case "daemon-reload":
        return;
      case "enable":
        for (const name of names) this.#enabled.add(this.#unit(name).name);
        if (rest.includes("--now")) await this.#startAll(names);
        return;
      case "start":
        return await this.#startAll(names);
      case "restart":
        for (const name of names) await this.#services.get(name)?.stop();
        return await this.#startAll(names);
      case "stop":
        for (const name of names) await this.#services.get(name)?.stop();
        return;
      default:
        throw new Error(`The lab has no "systemctl ${verb}".`);
    }
  }

  async #startAll(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#start(name);
  }

  async #start(name: string): Promise<void> {
    const unit = this.#unit(name);
    if (name.endsWith(".timer")) return this.#startTimer(unit);
    const known = this.#services.get(name);
    const service = known ?? new Service(unit, this.#options);
    this.#services.set(name, service);
    if (await service.start()) return;
    throw new Error(
      `Job for ${name} failed because the control process exited with error code.`,
    );
  }

  /** `OnActiveSec` and `OnUnitActiveSec`: the second counts from the last start. */
  #startTimer({ name, afterStartSeconds = 0, everySeconds }: Unit): void {
    const service = name.replace(/\.timer$/, ".service");
    const firstAtMs = Date.now() + afterStartSeconds * 1000;
    const elapse = async () => {
      const startedAtMs = Date.now();
      await this.#start(service).catch(() => undefined);
      if (everySeconds) schedule(startedAtMs + everySeconds * 1000);
    };
    const schedule = (atMs: number) => {
      if (this.#isOver || !this.#isCurrent(name, current)) return;
      const waitMs = Math.max(0, atMs - Date.now());
      current = setTimeout(() => void elapse(), waitMs);
      this.#timers.set(name, current);
    };
    let current: NodeJS.Timeout | undefined;
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    schedule(firstAtMs);
  }

  /** Not one from before the host died. */
  #isCurrent(name: string, timer: NodeJS.Timeout | undefined): boolean {
    return this.#timers.get(name) === timer;
  }

  #unit(name: string): Unit {
    const full = name.includes(".") ? name : `${name}.service`;
    return readUnit(full, this.#options.unitFolders);
  }

  #record(words: readonly string[]): void {
    const now = Math.floor(Date.now() / 1000);
    const line = [now, "systemctl", ...words].map((word) => `${word}\x1f`);
    appendFileSync(join(this.#options.folder, "calls"), `${line.join("")}\n`);
  }
}
