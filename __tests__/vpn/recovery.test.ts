/**
 * What breaks on the way between worker and database, under a small steady load:
 * the trail goes on by itself, within the times of docs/operations.md ("VPN").
 */
import { VpnTrail } from "../support/vpn-trail";

const BLACK_HOLE_MS = 60_000;

let trail: VpnTrail;

beforeAll(async () => {
  // As with another's server: one of the kit's own has an address that stays.
  trail = await VpnTrail.start({ endpoint: "name" });
  trail.write();
  await trail.flows();
});

afterAll(async () => {
  await trail?.[Symbol.asyncDispose]();
});

/** What is committed now is stored within so many seconds. */
async function recovers(seconds: number): Promise<void> {
  await trail.flows(seconds * 1000);
}

test.each(["node", "server"] as const)("a %s that is replaced", async (end) => {
  await trail.lab.launch(end);
  await recovers(60);
});

test.each(["node", "server"] as const)(
  "a %s that is started again with its disk, and without user_data",
  async (end) => {
    await trail.lab.destroy(end);
    await trail.lab.boot(end);
    await recovers(60);
  },
);

test("an internet that drops everything for a minute", async () => {
  await trail.lab.setInternet("down");
  await expect(trail.flows(BLACK_HOLE_MS)).rejects.toThrow("stored");
  await trail.lab.setInternet("up");
  await recovers(60);
});

test("a server that has another address under the same name", async () => {
  await trail.lab.moveServer();
  await recovers(90);
});

test("a database that fails over to another subnet", async () => {
  await trail.lab.moveDatabase("second");
  await recovers(120);
});

test("after all of it nothing is lost and nothing doubled", async () => {
  expect(await trail.complete()).toEqual([]);
});
