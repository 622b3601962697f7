/** A source and a destination, empty, with a worker's variables for both. */
import type { Client } from "pg";
import type { Cluster } from "../cluster";
import { createOrders } from "./backlog";
import { drainWithWorker, type WorkerRun } from "./drain";

/** A server with room: the disk is not what is measured. */
export const BENCH_SETTINGS = {
  shared_buffers: "512MB",
  max_wal_size: "8GB",
  checkpoint_timeout: "30min",
  // Merging and freezing are measured by asking for them, not by chance.
  autovacuum: "off",
} as const;

export const PUBLICATION = "bemi";

/** How a worker reaches both databases of this name. */
export interface Route {
  /** Over the servers' own addresses. */
  readonly env: (database: string) => Readonly<Record<string, string>>;
  /** Before the worker's command: where it runs. */
  readonly enter: readonly string[];
}

export const DIRECT: Route = { env: () => ({}), enter: [] };

let count = 0;

export class Pair implements AsyncDisposable {
  private constructor(
    readonly clusters: {
      readonly source: Cluster;
      readonly destination: Cluster;
    },
    readonly database: string,
    readonly source: Client,
    readonly destination: Client,
    private readonly route: Route,
  ) {}

  /** With the table, the worker's set-up, and `slots` further slots. */
  static async create(
    clusters: Pair["clusters"],
    slots: readonly string[] = [],
    route: Route = DIRECT,
  ): Promise<Pair> {
    const database = `bench_${++count}`;
    await clusters.source.createDatabase(database);
    await clusters.destination.createDatabase(database);
    const pair = new Pair(
      clusters,
      database,
      await clusters.source.client(database),
      await clusters.destination.client(database),
      route,
    );
    await createOrders(pair.source);
    await drainWithWorker(pair.run("worker"), async () => true);
    for (const slot of slots) {
      await pair.source.query(
        "SELECT pg_create_logical_replication_slot($1, 'pgoutput')",
        [pair.slot(slot)],
      );
    }
    return pair;
  }

  /** Slot names are one name space for a server. */
  slot(name: string): string {
    return `${this.database}_${name}`;
  }

  /** A worker of this slot. */
  run(slot: string): WorkerRun {
    return { env: this.env(slot), enter: this.route.enter };
  }

  env(
    slot: string,
    extra: Readonly<Record<string, string>> = {},
  ): Record<string, string> {
    const { source, destination } = this.clusters;
    return {
      ...variables("DB", source, this.database),
      ...variables("DEST_DB", destination, this.database),
      HTTP_PORT: "0",
      ...this.route.env(this.database),
      SLOT_NAME: this.slot(slot),
      ...extra,
    };
  }

  /** Ends every session of a worker at the source, and lets none begin. */
  async closeSource(): Promise<void> {
    await this.#allowConnections(false);
    await this.source.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
  }

  async openSource(): Promise<void> {
    await this.#allowConnections(true);
  }

  /** From outside: no database does it to the session's own. */
  async #allowConnections(isAllowed: boolean): Promise<void> {
    const admin = await this.clusters.source.client();
    await admin.query(
      `ALTER DATABASE ${this.database} ALLOW_CONNECTIONS ${isAllowed}`,
    );
    await admin.end();
  }

  /** Whether a worker has stored everything before `lsn`. */
  async stored(lsn: string, slot = "worker"): Promise<boolean> {
    const { rows } = await this.destination.query(
      "SELECT commit_lsn > $1::pg_lsn AS yes FROM public._bemi_watermarks WHERE slot_name = $2",
      [lsn, this.slot(slot)],
    );
    return rows[0]?.yes === true;
  }

  /** Whether the source was told to forget everything before `lsn`. */
  async confirmed(slot: string, lsn: string): Promise<boolean> {
    const { rows } = await this.source.query(
      "SELECT confirmed_flush_lsn > $1::pg_lsn AS yes FROM pg_replication_slots WHERE slot_name = $2",
      [lsn, this.slot(slot)],
    );
    return rows[0]?.yes === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()",
    );
    await Promise.all([this.source.end(), this.destination.end()]);
    for (const cluster of Object.values(this.clusters)) {
      const admin = await cluster.client();
      await admin.query(`DROP DATABASE ${this.database} WITH (FORCE)`);
      await admin.end();
    }
  }
}

function variables(
  prefix: string,
  cluster: Cluster,
  database: string,
): Record<string, string> {
  return {
    [`${prefix}_HOST`]: cluster.host,
    [`${prefix}_PORT`]: String(cluster.port),
    [`${prefix}_NAME`]: database,
    [`${prefix}_USER`]: cluster.user,
    [`${prefix}_PASSWORD`]: cluster.password,
  };
}
