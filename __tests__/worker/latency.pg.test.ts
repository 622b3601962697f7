/** How long a change takes on an idle system. */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { Trail } from "../support/trail";

const MAX_MEDIAN_MS = 100;
const CHANGES = 50;
/** On a busy machine all is slow now and then; a worker that is slow is so each time. */
const ROUNDS = 6;

test("a change is visible within 100 ms of its commit, in the median of 50", async () => {
  await using source = await Cluster.start();
  await using destination = await Cluster.start();
  await using trail = await Trail.create({
    source,
    destination,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
  });
  await trail.streaming();
  let medianMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS && medianMs >= MAX_MEDIAN_MS; round++)
    medianMs = await medianDelayMs(trail, round * CHANGES);
  expect(medianMs).toBeLessThan(MAX_MEDIAN_MS);
});

async function medianDelayMs(trail: Trail, stored: number): Promise<number> {
  const delaysMs: number[] = [];
  for (let id = stored + 1; id <= stored + CHANGES; id++) {
    await trail.source.query("INSERT INTO item VALUES ($1)", [id]);
    const committedMs = performance.now();
    while (!(await visible(trail, id))) await sleep(2);
    delaysMs.push(performance.now() - committedMs);
  }
  return Number(delaysMs.sort((a, b) => a - b)[CHANGES / 2]);
}

async function visible(trail: Trail, id: number): Promise<boolean> {
  return (await trail.count(`primary_key = '${id}'`)) === 1;
}
