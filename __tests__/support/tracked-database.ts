/**
 * A source database, a destination database, and the worker between them. Tests
 * write to the source, wait until the worker has all of it, and read `changes`.
 */
import type { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { createSource, type Source } from "./source";
import {
  WorkerProcess,
  type WorkerProcessOptions,
  workerEnvironment,
} from "./worker-process";

/** A row of `changes`, JSON as text: parsing it would change its numbers. */
export interface ChangeRow {
  readonly operation: string;
  readonly table: string;
  readonly primaryKey: string | null;
  readonly before: string;
  readonly after: string;
  readonly context: string;
}

export interface TrackingOptions {
  /** `changes` lives in the source database itself. */
  readonly oneDatabase?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** SQL in the source before the worker's first start. */
  readonly schema?: string;
}

export class TrackedDatabase implements AsyncDisposable {
  worker: WorkerProcess | undefined;
  #marks = 0;

  private constructor(
    readonly cluster: Cluster,
    readonly source: Source,
    readonly destination: Source,
    readonly options: TrackingOptions,
  ) {}

  /** With the worker streaming. */
  static async start(
    cluster: Cluster,
    options: TrackingOptions = {},
  ): Promise<TrackedDatabase> {
    const source = await createSource(cluster);
    const destination = options.oneDatabase
      ? source
      : await createSource(cluster);
    const tracked = new TrackedDatabase(cluster, source, destination, options);
    await tracked.sql(
      `CREATE TABLE public.mark (id int PRIMARY KEY); ${options.schema ?? ""}`,
    );
    await tracked.startWorker();
    return tracked;
  }

  /** Runs SQL at the source; several statements are one transaction. */
  async sql(text: string, values?: unknown[]): Promise<void> {
    await this.source.client.query(text, values);
  }

  /** Each string a transaction of its own. */
  async transactions(...texts: readonly string[]): Promise<void> {
    for (const text of texts) await this.sql(text);
  }

  async startWorker(
    env: Readonly<Record<string, string>> = {},
    options: WorkerProcessOptions = {},
  ): Promise<WorkerProcess> {
    this.worker = this.launchWorker(env, options);
    await this.worker.log("streaming");
    return this.worker;
  }

  /** Without waiting for anything. */
  launchWorker(
    env: Readonly<Record<string, string>> = {},
    options: WorkerProcessOptions = {},
  ): WorkerProcess {
    const destination = {
      cluster: this.cluster,
      database: this.destination.database,
    };
    return WorkerProcess.start(
      workerEnvironment(
        this.cluster,
        this.source.database,
        this.options.oneDatabase ? undefined : destination,
        { SLOT_NAME: this.source.database, ...this.options.env, ...env },
      ),
      options,
    );
  }

  async stopWorker(): Promise<void> {
    this.worker?.signal("SIGTERM");
    const exit = await this.worker?.exited;
    if (exit && exit.code !== 0) throw new Error(this.worker?.lastWords());
    this.worker = undefined;
  }

  /**
   * Commits a mark and waits for it to arrive: rows arrive in commit order, so
   * everything before it is there too.
   */
  async caughtUp(timeoutMs?: number): Promise<void> {
    const mark = String(++this.#marks);
    await this.sql(`INSERT INTO public.mark VALUES (${mark})`);
    await eventually(
      `mark ${mark} arrives`,
      async () => {
        const { rows } = await this.destination.client.query(
          `SELECT FROM changes WHERE "table" = 'mark' AND primary_key = $1`,
          [mark],
        );
        return rows.length > 0;
      },
      timeoutMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.worker?.lastWords()}`, {
        cause: error,
      });
    });
  }

  /** Everything but the marks, in commit order. */
  async changes(where = "true"): Promise<ChangeRow[]> {
    const { rows } = await this.destination.client.query<ChangeRow>(`
      SELECT operation, "table", primary_key AS "primaryKey", before::text,
             after::text, context::text
        FROM changes WHERE "table" <> 'mark' AND (${where}) ORDER BY id`);
    return rows;
  }

  /** One figure of `GET /health`. */
  async counter(name: string): Promise<number> {
    const line = await this.worker?.log("health and metrics");
    const response = await fetch(`http://127.0.0.1:${line?.port}/health`);
    const health = (await response.json()) as {
      counters: Record<string, number>;
    };
    return health.counters[name] ?? Number.NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker?.[Symbol.asyncDispose]();
    await eventually("the server lets go of the slot", async () => {
      const { rows } = await this.source.client.query(
        "SELECT FROM pg_replication_slots WHERE active AND database = current_database()",
      );
      return rows.length === 0;
    });
    await this.source[Symbol.asyncDispose]();
    if (this.destination !== this.source) {
      await this.destination[Symbol.asyncDispose]();
    }
  }
}

/**
 * Gives a table a replica identity for good: the worker's event trigger, which
 * would set it back to FULL, does not fire in a replica's session.
 */
export function identitySql(table: string, identity: string): string {
  return `SET session_replication_role = replica; ALTER TABLE ${table} REPLICA IDENTITY ${identity}; RESET session_replication_role`;
}
