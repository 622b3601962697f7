/**
 * What breaks on the way between worker and database, under a small steady load:
 * the trail goes on by itself, within the time of docs/operations.md ("VPN").
 */
import type { End } from "../../scripts/lab/vpn-lab";
import { VpnTrail } from "../support/vpn-trail";

const BLACK_HOLE_MS = 60_000;
const RECOVERY_MS = 120_000;

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

/** What is committed now is stored within the promised time. */
async function recovers(): Promise<void> {
  await trail.flows(RECOVERY_MS);
}

test.each<End>(["node", "server"])(
  "a %s that is started again with its disk, and without user_data",
  async (end) => {
    await trail.lab.destroy(end);
    await trail.lab.boot(end);
    await recovers();
  },
);

/** As a new instance has another one in its subnet. */
async function changeNodeAddress(): Promise<void> {
  const { network, topology } = trail.lab;
  const router = topology.nodeAddress.replace(/\d+$/, "1");
  const other = topology.nodeAddress.replace(/\d+$/, "11");
  const run = (...command: string[]) => network.run("node", "ip", ...command);
  await run("address", "flush", "dev", "eth0");
  await run("address", "add", `${other}/24`, "dev", "eth0");
  await run("route", "add", "default", "via", router);
}

test("a node that is replaced", async () => {
  await trail.lab.launch("node");
  await changeNodeAddress();
  await recovers();
});

test("a server that is replaced", async () => {
  await trail.lab.launch("server");
  await recovers();
});

test("an internet that drops everything for a minute", async () => {
  await trail.lab.setInternet("down");
  await expect(trail.flows(BLACK_HOLE_MS)).rejects.toThrow("stored");
  await trail.lab.setInternet("up");
  await recovers();
});

test("a server that has another address under the same name", async () => {
  await trail.lab.moveServer();
  await recovers();
});

test("a database that fails over to another subnet", async () => {
  await trail.lab.moveDatabase("second");
  await recovers();
});

test("after all of it nothing is lost and nothing doubled", async () => {
  expect(await trail.complete()).toEqual([]);
});
