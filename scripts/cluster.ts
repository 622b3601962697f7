/**
 * An embedded PostgreSQL, for `npm start` and for the tests: its own temporary
 * folder, a free loopback port, a random password, logical replication on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type ClusterPlace, commandAt, placedSettings } from "./cluster-place";
import {
  createDataFolder,
  type ServerSettings,
  serverEnvironment,
  writeFiles,
} from "./data-folder";
import { templatePassword } from "./data-folder-template";
import { freePort } from "./free-port";
import { findBinaries, type PostgresBinaries } from "./postgres-binaries";
import {
  chosenMajor,
  NEWEST_MAJOR,
  type PostgresMajor,
} from "./postgres-major";

export interface ClusterOptions {
  /** @default POSTGRES_MAJOR of the environment, else 18 */
  readonly major?: PostgresMajor;
  /** Lines of postgresql.conf, over `defaultSettings`. */
  readonly settings?: ServerSettings;
  /** Further arguments of initdb. */
  readonly initdb?: readonly string[];
  /** Where the server logs. @default a file in the cluster's own folder */
  readonly logFile?: string;
  /** Further files of the data folder, by name; they are the server's user's. */
  readonly files?: Readonly<Record<string, string>>;
  /** @default this process's own network, on loopback */
  readonly place?: ClusterPlace;
}

/** fsync stays on, so that a test which crashes the server means something. */
const defaultSettings: ServerSettings = {
  wal_level: "logical",
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_replication_slots: 20,
  max_wal_senders: 20,
  max_connections: 50,
  shared_buffers: "32MB",
};

const stopSignals = {
  smart: "SIGTERM",
  fast: "SIGINT",
  immediate: "SIGQUIT",
} as const;
export type StopMode = keyof typeof stopSignals;

const readyTimeoutMs = 120_000;
const exitTimeoutMs = 3_000;

export class Cluster implements AsyncDisposable {
  /** For a server in another network the folder of its socket, which any reaches. */
  readonly host: string;
  readonly user = "postgres";
  readonly dataFolder: string;
  readonly logPath: string;
  #server: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly binaries: PostgresBinaries,
    /** The same at every start. */
    readonly port: number,
    readonly password: string,
    logFile: string | undefined,
    private readonly place: ClusterPlace | undefined,
  ) {
    this.host = place ? folder : "127.0.0.1";
    this.dataFolder = join(folder, "data");
    this.logPath = logFile ?? join(folder, "postgres.log");
    process.once("exit", this.#killAtExit);
  }

  /** Resolves when the server takes connections. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), "bemi-postgres-"));
    const password = templatePassword() ?? randomBytes(12).toString("hex");
    const { place } = options;
    let cluster: Cluster | undefined;
    try {
      const major = options.major ?? chosenMajor() ?? NEWEST_MAJOR;
      const binaries = await findBinaries(major, folder);
      await createDataFolder(binaries, {
        dataFolder: join(folder, "data"),
        major,
        user: "postgres",
        password,
        settings: {
          ...defaultSettings,
          ...(place ? placedSettings(folder) : {}),
          ...options.settings,
        },
        initdb: options.initdb ?? [],
      });
      await writeFiles(join(folder, "data"), options.files, binaries.owner);
      const port = place?.port ?? (await freePort());
      cluster = new Cluster(
        ...[folder, binaries, port, password],
        ...[options.logFile, place],
      );
      await cluster.startAgain();
      return cluster;
    } catch (error) {
      await cluster?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The postmaster's process id; undefined while it does not run. */
  get pid(): number | undefined {
    const server = this.#server;
    return server && isRunning(server) ? server.pid : undefined;
  }

  url(database = "postgres"): string {
    return `postgres://${this.user}:${this.password}@${encodeURIComponent(this.host)}:${this.port}/${encodeURIComponent(database)}`;
  }

  /**
   * A connected client. The loss of its connection while idle is no error here,
   * since servers are stopped on purpose; a query on it still fails.
   */
  async client(
    database = "postgres",
    options: pg.ClientConfig = {},
  ): Promise<pg.Client> {
    const { host, port, user, password } = this;
    const own = { host, port, user, password, database };
    const client = new pg.Client({ ...own, ...options });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  async createDatabase(name: string): Promise<void> {
    const client = await this.client();
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
  }

  /** `immediate` is a crash: the next start recovers from the WAL. */
  async stop(mode: StopMode = "fast"): Promise<void> {
    const server = this.#server;
    if (!server || !isRunning(server)) return;
    const exited = once(server, "exit");
    server.kill(stopSignals[mode]);
    await exited;
  }

  async startAgain(): Promise<void> {
    if (this.pid) throw new Error("The cluster runs already; stop it first.");
    const log = openSync(this.logPath, "a");
    const [program = "", ...args] = [
      ...(this.place ? commandAt(this.place, this.binaries.owner) : []),
      ...[this.binaries.postgres, "-D", this.dataFolder],
      ...["-p", String(this.port)],
    ];
    this.#server = spawn(program, args, {
      ...(this.place ? {} : this.binaries.owner),
      cwd: this.folder,
      env: serverEnvironment(),
      stdio: ["ignore", log, log],
      // A process group of its own: Ctrl-C in a terminal reaches only this
      // process, which stops the worker before it stops the database.
      detached: true,
    });
    closeSync(log);
    await once(this.#server, "spawn");
    await this.#untilReady(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("immediate");
    process.off("exit", this.#killAtExit);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #untilReady(server: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyTimeoutMs;
    while (isRunning(server)) {
      const problem = await this.client().then(
        (client) => client.end(),
        (error: Error) => error,
      );
      if (!problem) return;
      if (Date.now() > deadline)
        throw new Error(
          `PostgreSQL takes no connections after ${readyTimeoutMs / 1000} s. ${await this.#lastWords()}`,
          { cause: problem },
        );
      await sleep(10);
    }
    throw new Error(`PostgreSQL ended at once. ${await this.#lastWords()}`);
  }

  async #lastWords(): Promise<string> {
    const log = await readFile(this.logPath, "utf8");
    const lines = log.trimEnd().split("\n").slice(-10).join("\n");
    return `Correct what its log names (a setting, a full disk, shared memory), and start again:\n${lines}`;
  }

  /** For a Node that ends without disposing: no await in an exit handler. */
  readonly #killAtExit = (): void => {
    if (this.pid) process.kill(this.pid, "SIGQUIT");
    const deadline = Date.now() + exitTimeoutMs;
    const lock = join(this.dataFolder, "postmaster.pid");
    while (existsSync(lock) && Date.now() < deadline)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

function isRunning(server: ChildProcess): boolean {
  return server.exitCode === null && server.signalCode === null;
}
