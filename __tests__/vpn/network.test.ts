/** What a lab's network promises to those who break it. */
import { Network } from "../../scripts/lab/network";
import { setUpRouters } from "../../scripts/lab/routers";
import { topologyOf } from "../../scripts/lab/topology";

test("hosts that are renewed at the same time keep all their routes", async () => {
  const lab = `${process.pid}-renewal`;
  await using network = await Network.build(lab, topologyOf("nat"));
  const hosts = ["node", "server", "sourceRouter", "workerRouter"] as const;
  const routes = () =>
    Promise.all(hosts.map((host) => network.run(host, "ip", "route")));
  const before = await routes();
  // Which is first differs from one time to the next.
  for (let round = 0; round < 5; round++) {
    await Promise.all([network.renew("node"), network.renew("server")]);
    expect((await routes()).map(sorted)).toEqual(before.map(sorted));
  }
});

/** A card that is new is listed last. */
function sorted(text: string): string[] {
  return text.split("\n").sort();
}

test("what the database sends to a node that is away goes nowhere, and not to the internet", async () => {
  const topology = topologyOf("proxy");
  await using network = await Network.build(`${process.pid}-away`, topology);
  await setUpRouters(network, topology.nodeAddress);
  const route = () =>
    network.run("sourceRouter", "ip", "route", "get", topology.nodeAddress);
  expect(await route()).toContain("subnet-node");
  await network.run("sourceRouter", "ip", "link", "delete", "subnet-node");
  await expect(route()).rejects.toThrow("No route to host");
});
