/** What a cloud does between its instances: NAT, Elastic IPs, and nothing else. */
import type { Network } from "./network";
import { METADATA_ADDRESS, SERVER_ADDRESS } from "./topology";

/** Routers forward; the database's network is behind a NAT gateway. */
export async function setUpRouters(
  network: Network,
  nodeAddress: string,
): Promise<void> {
  for (const host of ["sourceRouter", "internet", "workerRouter"] as const) {
    await network.run(host, "sysctl", "-qw", "net.ipv4.ip_forward=1");
  }
  await network.filter("sourceRouter", NAT_GATEWAY);
  // Also while the node is renewed: what the database still sends to it would
  // else go out to the internet, as it never does from a VPC.
  const nodes = nodeAddress.replace(/\d+$/, "0/24");
  const nowhere = ["unreachable", nodes, "metric", "1000"];
  await network.run("sourceRouter", "ip", "route", "add", ...nowhere);
  const metadata = `${METADATA_ADDRESS}/32`;
  await network.run(
    "sourceRouter",
    "ip",
    "address",
    "add",
    metadata,
    "dev",
    "lo",
  );
}

/** It says nothing of its own: not even that a host behind it is away. */
const NAT_GATEWAY = `table ip gateway {
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "public" ct state new drop
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname "public" ip protocol icmp drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "public" masquerade
  }
}
`;

/**
 * Gives the VPN server this Elastic IP in place of the one it had. Without
 * memory of connections, as at AWS: the old address is gone at once.
 */
export async function associate(
  network: Network,
  address: string,
): Promise<void> {
  const run = (...command: string[]) => network.run("workerRouter", ...command);
  await run("ip", "address", "flush", "dev", "public", "label", "public:eip");
  await run(
    ...["ip", "address", "add", `${address}/32`],
    ...["dev", "public", "label", "public:eip"],
  );
  await network.filter(
    "workerRouter",
    `table ip elastic
delete table ip elastic
table ip elastic {
  chain in {
    type filter hook prerouting priority raw;
    iifname "public" ip daddr ${address} ip daddr set ${SERVER_ADDRESS} notrack
  }
  chain out {
    type filter hook postrouting priority srcnat;
    oifname "public" ip saddr ${SERVER_ADDRESS} ip saddr set ${address}
  }
}
`,
  );
}

/** Drops all between the two networks, or lets all through again. */
export async function setInternet(
  network: Network,
  state: "up" | "down",
): Promise<void> {
  const policy = state === "up" ? "accept" : "drop";
  await network.filter(
    "internet",
    `table ip transit
delete table ip transit
table ip transit {
  chain forward { type filter hook forward priority filter; policy ${policy}; }
}
`,
  );
}
