/**
 * One source in two groups of tables, each with a worker, a slot and a
 * publication of its own, and one `changes` for both.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { readChangeId } from "../../scripts/soak/comparison";
import { between, seeded } from "../../scripts/soak/random";
import { ledgerTables, settle, startLoad } from "../support/ledger";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const SEED = 20_261_120;
const KILLS = 16;
const GROUPS = ["first", "second"] as const;

let source: Cluster;
let destination: Cluster;
beforeAll(async () => {
  [source, destination] = await Promise.all([Cluster.start(), Cluster.start()]);
});
afterAll(async () => {
  await source?.[Symbol.asyncDispose]();
  await destination?.[Symbol.asyncDispose]();
});

test(`two shards that are killed at random lose and double no change (seed ${SEED})`, async () => {
  await using trail = await Trail.create({
    source,
    destination,
    tables: GROUPS.map(ledgerTables).join(""),
  });
  const shards = GROUPS.map((group) => new Shard(trail, group));
  // One after the other: each finds what the other has made.
  for (const shard of shards) await shard.start();
  await using load = startLoad(trail, GROUPS, { seed: SEED });

  const random = seeded(SEED);
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(between(random, 20, 800));
    await shards[between(random, 0, 1)]?.restart();
  }
  // A transaction over both groups is in both, each part whole.
  await trail.source.query(`
    BEGIN;
    INSERT INTO first_item VALUES (-1, 'both', 1), (-2, 'both', 2);
    INSERT INTO second_item VALUES (-1, 'both', 3);
    COMMIT`);
  const ledger = await load.finish();
  await settle(trail, ledger, {
    where: "(after->>'text') IS DISTINCT FROM 'both'",
  });

  expect(ledger.rowCount).toBeGreaterThan(500);
  const both = await trail.changes("after->>'text' = 'both'");
  expect(both.map(({ table }) => table).sort()).toEqual([
    "first_item",
    "first_item",
    "second_item",
  ]);
  const ids = both.map(({ id }) => readChangeId(id));
  expect(new Set(ids.map(({ commitLsn }) => commitLsn)).size).toBe(1);
  const slots = await trail.source.query(
    "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1",
  );
  expect(slots).toEqual(shards.map(({ slot }) => ({ slot_name: slot })));
}, 240_000);

/** A worker for one group of tables. */
class Shard {
  readonly slot: string;
  #worker: WorkerProcess | undefined;

  constructor(
    readonly trail: Trail,
    readonly group: string,
  ) {
    this.slot = `${trail.slot}_${group}`;
  }

  async start(): Promise<void> {
    const { group, slot, trail } = this;
    this.#worker = await trail.streaming({
      SLOT_NAME: slot,
      PUBLICATION_NAME: slot,
      // Named, so that the server sends each worker its own tables only.
      TRACK_TABLES: `public.${group}_item,public.${group}_commit`,
    });
  }

  async restart(): Promise<void> {
    await this.#worker?.kill();
    await this.start();
  }
}
