/**
 * What is other in the proxy mode: the node, and not the worker, looks up the
 * database's name, and the database's connections are the node's own.
 * The time is that of docs/operations.md ("VPN").
 */
import { VpnTrail } from "../support/vpn-trail";

const RECOVERY_MS = 120_000;

let trail: VpnTrail;

beforeAll(async () => {
  trail = await VpnTrail.start({ forwarding: "proxy" });
  trail.write();
  await trail.flows();
});

afterAll(async () => {
  await trail?.[Symbol.asyncDispose]();
});

test("a database that fails over to another subnet", async () => {
  await trail.lab.moveDatabase("second");
  await trail.flows(RECOVERY_MS);
});

test("a node that is started again with its disk, and without user_data", async () => {
  await trail.lab.destroy("node");
  await trail.lab.boot("node");
  await trail.flows(RECOVERY_MS);
});

test("after all of it nothing is lost and nothing doubled", async () => {
  expect(await trail.complete()).toEqual([]);
});
