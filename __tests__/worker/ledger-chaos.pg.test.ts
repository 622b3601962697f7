/**
 * The promise of the kit, nothing lost and nothing doubled, under what breaks
 * it elsewhere: the worker is killed and both servers crash, under load.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import type { LogLine } from "../../scripts/logged-process";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { between, pick, seeded } from "../support/random";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const SEED = Number(process.env.CHAOS_SEED ?? 20_260_101);
const EVENTS = 36;

describe("under a mixed load", () => {
  let source: Cluster;
  let destination: Cluster;
  beforeAll(async () => {
    [source, destination] = await Promise.all([
      Cluster.start(),
      Cluster.start(),
    ]);
  });
  afterAll(async () => {
    await source?.[Symbol.asyncDispose]();
    await destination?.[Symbol.asyncDispose]();
  });

  test(`killing the worker and crashing both servers at random loses and doubles no change (seed ${SEED})`, async () => {
    const random = seeded(SEED);
    const writers = ["first", "second"];
    await using trail = await Trail.create({
      source,
      destination,
      tables: writers.map(ledgerTables).join(""),
    });
    await trail.streaming().then((worker) => worker.kill());
    await using load = startLoad(trail, writers, { seed: SEED });
    await using worker = new Restarted(trail);
    const crash = async (cluster: Cluster): Promise<void> => {
      await cluster.stop("immediate");
      await sleep(between(random, 0, 1_500));
      await cluster.startAgain();
    };
    const events = {
      kill: async () => worker.kill(),
      source: async () => crash(source),
      destination: async () => crash(destination),
      both: async () => {
        await Promise.all([crash(source), crash(destination)]);
      },
    };
    const kinds = [
      ...Array<keyof typeof events>(5).fill("kill"),
      "source",
      "source",
      "destination",
      "destination",
      "both",
    ] as const;
    const done: string[] = [];
    for (let event = 0; event < EVENTS; event++) {
      await sleep(between(random, 50, 1_600));
      const kind = pick(random, kinds);
      done.push(kind);
      await events[kind]();
    }
    const ledger = await load.finish();
    await settle(trail, ledger, 60_000);
    expect(new Set(done)).toEqual(new Set(Object.keys(events)));
    expect(ledger.rowCount).toBeGreaterThan(2_000);
    // Giving up on a server that is down is in order, stumbling is not.
    expect(worker.exitCodes.filter((code) => code !== 1)).toEqual([]);
    expect(worker.bugs).toEqual([]);
  }, 240_000);
});

/** A worker that is started again whenever it ended, as a service does. */
class Restarted implements AsyncDisposable {
  readonly exitCodes: (number | null)[] = [];
  readonly bugs: LogLine[] = [];
  readonly #running: Promise<void>;
  readonly #trail: Trail;
  #current: WorkerProcess | undefined;
  #killed = false;
  #over = false;

  constructor(trail: Trail) {
    this.#trail = trail;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      this.#killed = false;
      this.#current = this.#trail.start();
      const { lines } = this.#current;
      const { code } = await this.#current.exited;
      this.bugs.push(
        ...lines.filter(({ msg }) =>
          /uncaughtException|unhandledRejection/.test(msg),
        ),
      );
      if (!this.#killed) this.exitCodes.push(code);
    }
  }

  async kill(): Promise<void> {
    this.#killed = true;
    await this.#current?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.kill();
    await this.#running;
  }
}
