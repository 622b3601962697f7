/**
 * The hosts of a lab, and how they are wired: two private networks with a
 * router each, and the internet between the routers.
 */

export const HOST_NAMES = [
  "database",
  "node",
  /** Router and NAT gateway of the database's network. */
  "sourceRouter",
  "internet",
  /** Router and internet gateway of the worker's network. */
  "workerRouter",
  "server",
  "worker",
  "destination",
] as const;

export type HostName = (typeof HOST_NAMES)[number];

export type Forwarding = "nat" | "proxy";

/** An end of a cable: a network card of a host. */
export interface Card {
  readonly host: HostName;
  /** At most 15 characters. */
  readonly name: string;
  /** With its prefix's length; none: the card is made without. */
  readonly address?: string;
}

export interface Cable {
  readonly ends: readonly [Card, Card];
  /** Bytes. */
  readonly mtu: number;
}

export interface Route {
  readonly host: HostName;
  /** A network, an address, or `default`. */
  readonly to: string;
  /** The next router; none: everything is on the link of `card`. */
  readonly via?: string;
  readonly card?: string;
}

export interface Topology {
  readonly cables: readonly Cable[];
  readonly routes: readonly Route[];
  readonly databaseSubnets: readonly [string, string];
  /** Where the database is, and where a failover takes it. */
  readonly databaseAddresses: readonly [string, string];
  readonly nodeAddress: string;
}

/** Inside a VPC packets are large, as they are at AWS; on the internet not. */
const VPC_MTU = 9001;
const INTERNET_MTU = 1500;

export const SERVER_ADDRESS = "10.213.0.10";
export const WORKER_ADDRESS = "10.213.1.10";
export const DESTINATION_ADDRESS = "10.213.2.10";
/** Of the database's network, as the internet sees it. */
export const SOURCE_PUBLIC_ADDRESS = "203.0.113.10";
/** Elastic IPs of the VPN server: the first one, and one to change to. */
export const SERVER_PUBLIC_ADDRESSES = [
  "198.51.100.7",
  "198.51.100.8",
] as const;
/** Instance metadata of EC2; the router answers to it. */
export const METADATA_ADDRESS = "169.254.169.254";

/**
 * With a proxy the database's subnets are the worker's own addresses again:
 * that is what the proxy is for.
 */
export function topologyOf(forwarding: Forwarding): Topology {
  const [a, b, nodes] =
    forwarding === "proxy"
      ? ["10.213.1", "10.213.2", "10.213.3"]
      : ["10.20.30", "10.20.31", "10.20.40"];
  return {
    cables: [
      cable(
        VPC_MTU,
        ["database", "eth0", `${a}.20/24`],
        ["sourceRouter", "subnet-a", `${a}.1/24`],
      ),
      cable(
        VPC_MTU,
        ["database", "eth1"],
        ["sourceRouter", "subnet-b", `${b}.1/24`],
      ),
      cable(
        VPC_MTU,
        ["node", "eth0", `${nodes}.10/24`],
        ["sourceRouter", "subnet-node", `${nodes}.1/24`],
      ),
      cable(
        INTERNET_MTU,
        ["sourceRouter", "public", `${SOURCE_PUBLIC_ADDRESS}/24`],
        ["internet", "source", "203.0.113.1/24"],
      ),
      cable(
        INTERNET_MTU,
        ["workerRouter", "public", "198.51.100.2/24"],
        ["internet", "worker", "198.51.100.1/24"],
      ),
      cable(
        VPC_MTU,
        ["workerRouter", "subnet-public", "10.213.0.1/24"],
        ["server", "eth0", `${SERVER_ADDRESS}/24`],
      ),
      cable(
        VPC_MTU,
        ["workerRouter", "subnet-worker", "10.213.1.1/24"],
        ["worker", "eth0", `${WORKER_ADDRESS}/24`],
      ),
      cable(
        VPC_MTU,
        ["workerRouter", "subnet-audit", "10.213.2.1/24"],
        ["destination", "eth0", `${DESTINATION_ADDRESS}/24`],
      ),
    ],
    routes: [
      { host: "database", to: "default", via: `${a}.1` },
      { host: "node", to: "default", via: `${nodes}.1` },
      // At AWS it is on every link: what the node passes on arrives there too.
      { host: "node", to: METADATA_ADDRESS, card: "eth0" },
      { host: "sourceRouter", to: "default", via: "203.0.113.1" },
      { host: "workerRouter", to: "default", via: "198.51.100.1" },
      { host: "server", to: "default", via: "10.213.0.1" },
      { host: "worker", to: "default", via: "10.213.1.1" },
      { host: "destination", to: "default", via: "10.213.2.1" },
    ],
    databaseSubnets: [`${a}.0/24`, `${b}.0/24`],
    databaseAddresses: [`${a}.20`, `${b}.20`],
    nodeAddress: `${nodes}.10`,
  };
}

type End = readonly [host: HostName, name: string, address?: string];

function cable(mtu: number, one: End, other: End): Cable {
  return { mtu, ends: [card(one), card(other)] };
}

function card([host, name, address]: End): Card {
  return { host, name, ...(address ? { address } : {}) };
}
