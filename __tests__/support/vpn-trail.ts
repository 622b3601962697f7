/** A trail through the VPN: writers at one end, the bundled worker at the other. */
import { join } from "node:path";
import type { Client } from "pg";
import { eventually } from "../../scripts/eventually";
import { VpnLab, type VpnLabOptions } from "../../scripts/lab/vpn-lab";
import { Comparison } from "../../scripts/soak/comparison";
import { KeptWorker } from "../../scripts/soak/kept-worker";
import { Ledger } from "../../scripts/soak/ledger";
import { tablesOf } from "../../scripts/soak/mix";
import { areStored, storedChanges } from "../../scripts/soak/trail-watch";
import { LedgerWriter } from "../../scripts/soak/writer";
import { Releases } from "../../worker/releases";

const DATABASE = "shop";
const WRITER = "ann";
const BEGIN_TIMEOUT_MS = 120_000;
const SETTLE_TIMEOUT_MS = 60_000;

export interface VpnTrailOptions extends VpnLabOptions {
  /** For the worker, over what its stack says. */
  readonly env?: Readonly<Record<string, string>>;
}

export class VpnTrail implements AsyncDisposable {
  readonly #ledger = new Ledger();
  readonly #over = new AbortController();
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    readonly lab: VpnLab,
    readonly worker: KeptWorker,
    /** On the database's own machine: no network is between. */
    readonly source: Client,
    readonly destination: Client,
    readonly releases: Releases,
  ) {}

  /** Resolves when the worker streams. */
  static async start(options: VpnTrailOptions = {}): Promise<VpnTrail> {
    const releases = new Releases();
    try {
      const lab = releases.use(await VpnLab.start(options));
      for (const cluster of [lab.database, lab.destination]) {
        await cluster.createDatabase(DATABASE);
      }
      const connect = async (cluster: VpnLab["database"]) => {
        const client = await cluster.client(DATABASE);
        releases.defer(() => client.end());
        return client;
      };
      const source = await connect(lab.database);
      await source.query(tablesOf(WRITER));
      const worker = releases.use(
        new KeptWorker({
          enter: lab.enterWorker(),
          env: { ...lab.workerEnvironment(DATABASE), ...options.env },
          logFile: join(lab.folder, "worker.log"),
        }),
      );
      await eventually(
        "a stream",
        async () => {
          const { rowCount } = await source.query(
            "SELECT FROM pg_replication_slots WHERE active",
          );
          return rowCount === 1;
        },
        BEGIN_TIMEOUT_MS,
      );
      const destination = await connect(lab.destination);
      return new VpnTrail(lab, worker, source, destination, releases);
    } catch (error) {
      await releases[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One transaction, and waits until its changes are stored. */
  async arrives(sql: string, where: string, timeoutMs?: number): Promise<void> {
    await this.source.query(sql);
    await eventually(
      `a change with ${where}`,
      async () => {
        const { rowCount } = await this.destination.query(
          `SELECT FROM public.changes WHERE ${where}`,
        );
        return rowCount === 1;
      },
      timeoutMs,
    );
  }

  /** Writes until `complete`, all kinds of changes. */
  write(): void {
    const writer = new LedgerWriter({
      connect: () => this.lab.database.client(DATABASE),
      name: WRITER,
      ledger: this.#ledger,
      seed: 1,
      maxPauseMs: 100,
    });
    this.#writing = writer.run(this.#over.signal);
    this.#writing.catch(() => undefined);
    this.releases.defer(async () => {
      this.#over.abort();
      await this.#writing.catch(() => undefined);
    });
  }

  /**
   * Waits until what is committed now is stored.
   *
   * @returns seconds that it took
   */
  async flows(timeoutMs = SETTLE_TIMEOUT_MS): Promise<number> {
    const startedMs = performance.now();
    const committed = this.#ledger.transactions.length;
    await eventually(
      "a transaction",
      async () => this.#ledger.transactions.length > committed,
    );
    const last = new Map(this.#ledger.last);
    await eventually(
      "what was committed is stored",
      () => areStored(this.destination, last),
      timeoutMs,
    ).catch((error: Error) => {
      const { node, server } = this.lab;
      throw new Error(
        `${error.message}\nnode ${node.lastWords()}\nserver ${server.lastWords()}`,
      );
    });
    return Math.round((performance.now() - startedMs) / 1000);
  }

  /** Stops writing. @returns what of the trail is not what was committed */
  async complete(): Promise<string[]> {
    await this.flows();
    this.#over.abort();
    await this.#writing;
    await eventually(
      "the last transaction is stored",
      () => areStored(this.destination, this.#ledger.last),
      SETTLE_TIMEOUT_MS,
    );
    const comparison = new Comparison(this.#ledger);
    for await (const page of storedChanges(this.destination)) {
      for (const change of page) comparison.add(change);
    }
    comparison.finish();
    return [...comparison.differences, ...this.worker.faults];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.releases[Symbol.asyncDispose]();
  }
}
