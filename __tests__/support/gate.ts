/**
 * A gate in the destination: the worker's COPY waits at a certain row, so that
 * a test can act in the middle of a flush without a race.
 */
import type { Client } from "pg";
import type { Trail } from "./trail";
import { eventually } from "./worker-process";

const lockKey = 4711;

export class Gate implements AsyncDisposable {
  readonly #keeper: Client;
  readonly #trail: Trail;

  private constructor(trail: Trail, keeper: Client) {
    this.#trail = trail;
    this.#keeper = keeper;
  }

  /** `condition` is on the row `NEW` of `changes`; the gate begins closed. */
  static async close(trail: Trail, condition: string): Promise<Gate> {
    const keeper = await trail.destinationCluster.client(trail.database);
    await keeper.query(`
      CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock_shared(${lockKey}); RETURN NEW; END $$;
      CREATE TRIGGER gate BEFORE INSERT ON public.changes
        FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION pass_gate()`);
    const gate = new Gate(trail, keeper);
    await gate.close();
    return gate;
  }

  async close(): Promise<void> {
    await this.#keeper.query(`SELECT pg_advisory_lock(${lockKey})`);
  }

  async open(): Promise<void> {
    await this.#keeper.query("SELECT pg_advisory_unlock_all()");
  }

  /** Waits until a worker's COPY stands at the gate. */
  async reached(): Promise<void> {
    await eventually("a COPY waits at the gate", async () => {
      const { waiting } = await this.#trail.destination.one<{
        waiting: boolean;
      }>(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS waiting",
      );
      return waiting;
    });
  }

  /** Opens and waits until nobody stands there. */
  async clear(): Promise<void> {
    await this.open();
    await eventually("nobody waits at the gate", async () => {
      const { free } = await this.#trail.destination.one<{ free: boolean }>(
        "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS free",
        [lockKey],
      );
      return free;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.end();
  }
}
