/** Who gets where, also when the other end of the tunnel is in wrong hands. */
import { join } from "node:path";
import { eventually } from "../../scripts/eventually";
import { Capture, TCP } from "../../scripts/lab/capture";
import {
  DESTINATION_ADDRESS,
  METADATA_ADDRESS,
  SERVER_ADDRESS,
  WORKER_ADDRESS,
} from "../../scripts/lab/topology";
import { type End, VpnLab } from "../../scripts/lab/vpn-lab";
import { Listener, reaches } from "../support/reach";
import { VpnTrail } from "../support/vpn-trail";

type Target = readonly [address: string, port: number];

/** Those of the targets that are reached, as `address:port`. */
async function reached(
  enter: readonly string[],
  targets: readonly Target[],
): Promise<string[]> {
  const results = await Promise.all(
    targets.map(async ([address, port]) =>
      (await reaches(enter, address, port)) ? [`${address}:${port}`] : [],
    ),
  );
  return results.flat().sort();
}

/** No rules, and routes and keys for everything into the tunnel. */
async function seize(lab: VpnLab, end: End, networks: readonly string[]) {
  const host = lab[end];
  await host.run("nft", "flush", "ruleset");
  const peer = (await host.run("wg", "show", "wg0", "peers")).trim();
  await host.run("wg", "set", "wg0", "peer", peer, "allowed-ips", "0.0.0.0/0");
  for (const to of networks) {
    await host.run("ip", "route", "replace", to, "dev", "wg0");
  }
}

describe.each(["nat", "proxy"] as const)("forwarding %s", (forwarding) => {
  let lab: VpnLab;
  const listeners: Listener[] = [];
  const listen = async (enter: readonly string[], [address, port]: Target) =>
    listeners.push(await Listener.start(enter, address, port));

  beforeAll(async () => {
    lab = await VpnLab.start({ forwarding });
    await lab.untilUp();
  });

  afterAll(async () => {
    for (const listener of listeners) await listener[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  const NODE = "100.64.77.2";

  test("of the database's network the server's side reaches the database's port alone", async () => {
    const [database] = lab.topology.databaseAddresses;
    const { nodeAddress } = lab.topology;
    const router = nodeAddress.replace(/\d+$/, "1");
    const databaseHost = lab.network.enter("database");
    await listen(databaseHost, [database, 5433]);
    await listen(lab.network.enter("sourceRouter"), [router, 5432]);
    await listen(lab.network.enter("sourceRouter"), [METADATA_ADDRESS, 80]);
    await listen(lab.node.host.enter(), ["0.0.0.0", 22]);
    const behind: Target[] = [
      [database, 5432],
      [database, 5433],
      [router, 5432],
      [METADATA_ADDRESS, 80],
    ];
    const ofNode: Target[] = [
      [NODE, 22],
      [NODE, 5432],
      [nodeAddress, 22],
    ];
    // All of it is there to be reached.
    expect(await reached(lab.node.host.enter(), behind)).toHaveLength(4);
    expect(await reached(lab.node.host.enter(), [[NODE, 22]])).toHaveLength(1);

    const allowed =
      forwarding === "nat" ? [`${database}:5432`] : [`${NODE}:5432`];
    const all = [...behind, ...ofNode];
    expect(await reached(lab.enterWorker(), all)).toEqual(allowed);
    const networks = [database, router, nodeAddress, METADATA_ADDRESS];
    await seize(lab, "server", networks);
    expect(await reached(lab.server.host.enter(), all)).toEqual(allowed);
  });

  test("from the database's side nothing of the worker's network is reached", async () => {
    await lab.launch("server");
    await lab.launch("node");
    await lab.untilUp();
    await listen(lab.server.host.enter(), ["0.0.0.0", 22]);
    await listen(lab.enterWorker(), [WORKER_ADDRESS, 8080]);
    const targets: Target[] = [
      ["100.64.77.1", 22],
      [SERVER_ADDRESS, 22],
      [WORKER_ADDRESS, 8080],
      [DESTINATION_ADDRESS, 5432],
    ];
    const router = lab.network.enter("workerRouter");
    expect(await reached(router, targets)).toHaveLength(2);
    await seize(lab, "node", [
      SERVER_ADDRESS,
      WORKER_ADDRESS,
      DESTINATION_ADDRESS,
    ]);
    expect(await reached(lab.node.host.enter(), targets)).toEqual([]);
  });
});

test("without its tunnel neither end sends elsewhere what belongs in it", async () => {
  await using trail = await VpnTrail.start();
  const { lab } = trail;
  const [address] = lab.topology.databaseAddresses;
  const captureAt = async (host: "node" | "server") => {
    const path = join(lab.folder, `${host}.pcap`);
    const enter = lab.network.enter(host);
    return trail.releases.use(await Capture.start(enter, "eth0", path, "tcp"));
  };
  const [atNode, atServer] = [
    await captureAt("node"),
    await captureAt("server"),
  ];
  trail.write();
  await trail.flows();
  await lab.node.run("ip", "link", "delete", "wg0");
  await lab.server.run("ip", "link", "delete", "wg0");
  const count = (capture: Capture, from: string) =>
    capture.packets().filter((packet) => packet.from === from).length;
  // Both go on sending what is not answered any more.
  const [ofDatabase, ofWorker] = [
    count(atNode, address),
    count(atServer, WORKER_ADDRESS),
  ];
  await eventually(
    "packets for both ends",
    async () =>
      count(atNode, address) > ofDatabase + 3 &&
      count(atServer, WORKER_ADDRESS) > ofWorker + 3,
  );
  const forwarded = (capture: Capture, own: readonly string[]) =>
    capture
      .packets()
      .filter(({ protocol }) => protocol === TCP)
      .filter(({ from, to }) => !own.includes(from) && !own.includes(to));
  expect(forwarded(atNode, [lab.topology.nodeAddress])).toEqual([]);
  expect(
    atServer
      .packets()
      .filter(({ to, from }) => to === address && from !== WORKER_ADDRESS),
  ).toEqual([]);
});
