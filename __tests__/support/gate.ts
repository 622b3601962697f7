/**
 * A gate in the destination: the worker's COPY waits at a certain row, so that
 * a test can act in the middle of a flush without a race.
 */
import type { Client } from "pg";
import { eventually } from "../../scripts/eventually";
import type { Trail } from "./trail";

let count = 0;

export class Gate implements AsyncDisposable {
  readonly #key: number;
  readonly #keeper: Client;
  readonly #trail: Trail;

  private constructor(key: number, trail: Trail, keeper: Client) {
    this.#key = key;
    this.#trail = trail;
    this.#keeper = keeper;
  }

  /** Closed for rows `NEW` of `changes` on which `condition` is true. */
  static async close(trail: Trail, condition: string): Promise<Gate> {
    const key = ++count;
    const keeper = await trail.destinationCluster.client(trail.database);
    await keeper.query(`
      CREATE FUNCTION pass_gate_${key}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock_shared(${key}); RETURN NEW; END $$;
      CREATE TRIGGER gate_${key} BEFORE INSERT ON public.changes
        FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION pass_gate_${key}()`);
    await keeper.query(`SELECT pg_advisory_lock(${key})`);
    return new Gate(key, trail, keeper);
  }

  /** Waits until a worker's COPY stands at the gate. */
  async reached(): Promise<void> {
    await eventually("a COPY stands at the gate", async () => {
      return (await this.#waiting()) > 0;
    });
  }

  /** Opens it, for good. */
  async open(): Promise<void> {
    await this.#keeper.query("SELECT pg_advisory_unlock_all()");
  }

  /**
   * Opens it after the worker whose COPY stands there was killed: the server
   * would notice that only when it reads on.
   */
  async abandon(): Promise<void> {
    await this.#trail.destination.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE ${this.#where} AND NOT granted`,
    );
    await eventually("nobody stands at the gate", async () => {
      return (await this.#waiting()) === 0;
    });
    await this.open();
  }

  async #waiting(): Promise<number> {
    const { n } = await this.#trail.destination.one<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_locks WHERE ${this.#where} AND NOT granted`,
    );
    return n;
  }

  get #where(): string {
    return `locktype = 'advisory' AND objid = ${this.#key}
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.end();
  }
}
