/**
 * A trail under test: a source database with a slot of its own, a destination
 * database, and the workers between them, one after the other or two at once.
 */
import type { Client } from "pg";
import type { Cluster, StopMode } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { parseLsn } from "../../worker/lsn";
import { Session } from "./session";
import {
  WorkerProcess,
  type WorkerProcessOptions,
  workerEnvironment,
} from "./worker-process";

/** A row of `changes`, as far as tests look at it. */
export interface Change {
  readonly id: string;
  readonly table: string;
  readonly operation: string;
  readonly primaryKey: string | null;
  readonly before: unknown;
  readonly after: unknown;
  readonly context: unknown;
  readonly position: bigint;
}

export interface SlotState {
  readonly confirmed: bigint;
  readonly active: boolean;
  readonly pid: number | null;
}

let count = 0;

export class Trail implements AsyncDisposable {
  readonly slot: string;
  readonly source: Session;
  readonly destination: Session;
  readonly #workers: WorkerProcess[] = [];
  readonly #clients: Client[] = [];

  private constructor(
    readonly sourceCluster: Cluster,
    readonly destinationCluster: Cluster,
    readonly database: string,
    readonly environment: Readonly<Record<string, string>>,
  ) {
    this.slot = database;
    this.source = new Session(sourceCluster, database);
    this.destination = new Session(destinationCluster, database);
  }

  /** Databases of their own in both clusters; `tables` is the source's DDL. */
  static async create(parts: {
    readonly source: Cluster;
    readonly destination: Cluster;
    readonly tables?: string;
    readonly env?: Readonly<Record<string, string>>;
  }): Promise<Trail> {
    const { source, destination, tables, env } = parts;
    count += 1;
    const database = `trail_${process.pid}_${count}`;
    await source.createDatabase(database);
    if (destination !== source) await destination.createDatabase(database);
    const trail = new Trail(source, destination, database, {
      SLOT_NAME: database,
      ...env,
    });
    if (tables) await trail.source.query(tables);
    return trail;
  }

  /** Starts a worker; `env` and `options` are for this one alone. */
  start(
    env: Readonly<Record<string, string>> = {},
    options?: WorkerProcessOptions,
  ): WorkerProcess {
    const worker = WorkerProcess.start(
      workerEnvironment(
        this.sourceCluster,
        this.database,
        { cluster: this.destinationCluster, database: this.database },
        { ...this.environment, ...env },
      ),
      options,
    );
    this.#workers.push(worker);
    return worker;
  }

  /** Starts a worker and waits until it streams. */
  async streaming(
    env?: Readonly<Record<string, string>>,
    options?: WorkerProcessOptions,
  ): Promise<WorkerProcess> {
    const worker = this.start(env, options);
    await worker.log("streaming");
    return worker;
  }

  /** A session of its own in the source, closed with the trail. */
  async client(): Promise<Client> {
    const client = await this.sourceCluster.client(this.database);
    this.#clients.push(client);
    return client;
  }

  /** All of `changes` in commit order. */
  async changes(where = "true"): Promise<Change[]> {
    const rows = await this.destination.query<
      Omit<Change, "position"> & { position: string }
    >(
      `SELECT id, "table", operation, primary_key AS "primaryKey", before, after, context, position
         FROM public.changes WHERE ${where} ORDER BY id`,
    );
    return rows.map((row) => ({ ...row, position: BigInt(row.position) }));
  }

  async count(where = "true"): Promise<number> {
    const { n } = await this.destination.one<{ n: number }>(
      `SELECT count(*)::int AS n FROM public.changes WHERE ${where}`,
    );
    return n;
  }

  /** Waits until as many changes are stored, and says if there are more. */
  async reached(expected: number, timeoutMs?: number): Promise<void> {
    await eventually(
      `${expected} changes`,
      async () => (await this.count()) >= expected,
      timeoutMs,
    );
    expect(await this.count()).toBe(expected);
  }

  async watermark(): Promise<{ commitLsn: bigint; position: bigint }> {
    const row = await this.destination.one<Record<string, string>>(
      "SELECT commit_lsn::text AS commit, position::text AS position FROM public._bemi_watermarks WHERE slot_name = $1",
      [this.slot],
    );
    return {
      commitLsn: parseLsn(String(row.commit)),
      position: parseLsn(String(row.position)),
    };
  }

  async slotState(): Promise<SlotState> {
    const row = await this.source.one<{
      confirmed: string;
      active: boolean;
      pid: number | null;
    }>(
      "SELECT confirmed_flush_lsn::text AS confirmed, active, active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1",
      [this.slot],
    );
    return { ...row, confirmed: parseLsn(row.confirmed) };
  }

  /** Stops and starts the source; what was connected connects again. */
  async restartSource(mode: StopMode): Promise<void> {
    await this.sourceCluster.stop(mode);
    await this.sourceCluster.startAgain();
    await this.source[Symbol.asyncDispose]();
  }

  /** Waits until the server noticed that the last worker is gone. */
  async released(): Promise<void> {
    await eventually(
      "the slot is free",
      async () => !(await this.slotState()).active,
    );
  }

  async walPosition(): Promise<bigint> {
    const { lsn } = await this.source.one<{ lsn: string }>(
      "SELECT pg_current_wal_insert_lsn()::text AS lsn",
    );
    return parseLsn(lsn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) {
      worker.signal("SIGCONT");
      await worker.kill();
    }
    for (const client of this.#clients) await client.end().catch(() => {});
    // A slot left behind would keep the log of all that follows.
    await eventually("the slot is dropped", async () => {
      await this.source.query(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()",
      );
      return true;
    }).catch(() => undefined);
    await this.source[Symbol.asyncDispose]();
    await this.destination[Symbol.asyncDispose]();
  }
}
