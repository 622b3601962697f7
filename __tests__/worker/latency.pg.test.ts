/** How long a change takes on an idle system. */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../scripts/cluster";
import { Trail } from "../support/trail";

const MAX_MEDIAN_MS = 100;

test("a change is visible within 100 ms of its commit, in the median of 50", async () => {
  await using source = await Cluster.start();
  await using destination = await Cluster.start();
  await using trail = await Trail.create({
    source,
    destination,
    tables: "CREATE TABLE item (id int PRIMARY KEY)",
  });
  await trail.streaming();
  const delaysMs: number[] = [];
  for (let id = 1; id <= 50; id++) {
    await trail.source.query("INSERT INTO item VALUES ($1)", [id]);
    const committedMs = performance.now();
    while (!(await visible(trail, id))) await sleep(2);
    delaysMs.push(performance.now() - committedMs);
  }
  const median = delaysMs.sort((a, b) => a - b)[delaysMs.length / 2];
  expect(median).toBeLessThan(MAX_MEDIAN_MS);
});

async function visible(trail: Trail, id: number): Promise<boolean> {
  return (await trail.count(`primary_key = '${id}'`)) === 1;
}
