/** What a lab's network promises to those who break it. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../scripts/eventually";
import { Capture, UDP } from "../../scripts/lab/capture";
import { Network } from "../../scripts/lab/network";
import { setUpRouters } from "../../scripts/lab/routers";
import { SOURCE_PUBLIC_ADDRESS, topologyOf } from "../../scripts/lab/topology";

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

test("nobody on the internet is told of a node that is away", async () => {
  const topology = topologyOf("nat");
  await using network = await Network.build(`${process.pid}-quiet`, topology);
  await setUpRouters(network, topology.nodeAddress);
  const peer = "198.51.100.99";
  await network.run("internet", "ip", "address", "add", `${peer}/32`, ...LO);
  await using atSource = await Capture.start(
    network.enter("internet"),
    "source",
    join(mkdtempSync(join(tmpdir(), "quiet-")), "pcap"),
  );
  const send = (host: "node" | "internet", to: string, from: string) =>
    network.run(
      host,
      ...["bash", "-c", `echo a | socat -u - UDP4-SENDTO:${to},bind=${from}`],
    );
  // By the way that it opened, as a server's answers come.
  await send("node", `${peer}:9`, ":7777");
  await network.run("sourceRouter", "ip", "link", "delete", "subnet-node");
  const toNode = () => atSource.packets().filter(({ from }) => from === peer);
  const gateway = `${SOURCE_PUBLIC_ADDRESS}:7777`;
  for (const count of [1, 2, 3]) {
    await send("internet", gateway, `${peer}:9`);
    await eventually("it is sent", async () => {
      return (
        toNode().filter(({ protocol }) => protocol === UDP).length >= count
      );
    });
  }
  const fromNode = atSource.packets().filter(({ to }) => to === peer);
  expect(fromNode.map(({ protocol }) => protocol)).toEqual([UDP]);
});

const LO = ["dev", "lo"];
