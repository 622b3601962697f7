/** Of the networks in an environment file: that they are some, and lie apart. */
import { type Network, overlap, parseCidr } from "./cidr";
import type { Environment, VpnConnection } from "./environment";
import type { Problem } from "./problem";

export function checkNetworks(environment: Environment): Problem[] {
  const networks = networksOf(environment);
  return [
    ...networks.flatMap(checkNetwork),
    ...checkOverlaps(
      environment,
      networks.filter((named) => checkNetwork(named).length === 0),
    ),
    ...checkVpn(environment),
  ];
}

/** A network of the file, and what kind of network it has to be. */
interface Named {
  readonly path: string;
  readonly text: string;
  readonly network: Network | undefined;
  readonly kind: Kind;
}

type Kind = keyof typeof KINDS;

const KINDS = {
  /** Four subnets go into it. */
  vpc: { shortest: 16, longest: 24, what: "a VPC of four subnets takes" },
  existingVpc: { shortest: 16, longest: 28, what: "a VPC is" },
  subnet: { shortest: 16, longest: 28, what: "a subnet of a VPC is" },
  tunnelAddress: { shortest: 32, longest: 32, what: "an address is" },
  tunnel: { shortest: 30, longest: 30, what: "the tunnel's two ends take" },
  administrators: { shortest: 1, longest: 32, what: "administrators have" },
  peers: { shortest: 0, longest: 32, what: "peers have" },
} as const;

function networksOf({ source, connection, worker }: Environment): Named[] {
  const named = (kind: Kind, path: string, text: string): Named => ({
    kind,
    path,
    text,
    network: parseCidr(text),
  });
  const list = (kind: Kind, path: string, texts: readonly string[] = []) =>
    texts.map((text, index) => named(kind, `${path}[${index}]`, text));
  const networks = list("subnet", "source.subnetCidrs", source.subnetCidrs);
  if (worker) {
    const kind = worker.network.kind === "own" ? "vpc" : "existingVpc";
    networks.unshift(named(kind, "worker.network.cidr", worker.network.cidr));
  }
  if (connection.mode !== "vpn") return networks;
  const { node, server } = connection;
  return [
    ...networks,
    ...tunnelOf(connection).map(([path, text]) =>
      named(
        path === "connection.tunnelCidr" ? "tunnel" : "tunnelAddress",
        path,
        text,
      ),
    ),
    ...list("administrators", "connection.node.ssh.cidrs", node.ssh?.cidrs),
    ...(server.kind === "own"
      ? list("peers", "connection.server.allowedCidrs", server.allowedCidrs)
      : []),
  ];
}

/** Addresses that a provider has given are apart from one another, or not. */
function tunnelOf({ server, tunnelCidr }: VpnConnection): [string, string][] {
  if (server.kind === "own") return [["connection.tunnelCidr", tunnelCidr]];
  const { tunnelAddress, nodeTunnelAddress } = server;
  if (!tunnelAddress && !nodeTunnelAddress) {
    return [["connection.tunnelCidr", tunnelCidr]];
  }
  return Object.entries({ tunnelAddress, nodeTunnelAddress }).flatMap(
    ([name, address]): [string, string][] =>
      address ? [[`connection.server.${name}`, `${address}/32`]] : [],
  );
}

function checkNetwork({ path, text, network, kind }: Named): Problem[] {
  if (!network) {
    return [
      {
        path,
        message: `got ${text}, which is no network: each part is 0 to 255, the length 0 to 32, and no bit is set behind it (10.20.30.0/24, not 10.20.30.1/24)`,
      },
    ];
  }
  const { shortest, longest, what } = KINDS[kind];
  const { prefixLength } = network;
  if (prefixLength < shortest || prefixLength > longest) {
    const range =
      shortest === longest
        ? `a /${shortest}`
        : `a /${shortest} to a /${longest}`;
    const message =
      prefixLength === 0
        ? `got ${text}, which is everybody: give the networks that they come from`
        : `got a /${prefixLength}: ${what} ${range}`;
    return [{ path, message }];
  }
  const reserved = RESERVED.find(
    (other) => prefixLength > 0 && overlap(network, networkOf(other)),
  );
  if (reserved === undefined) return [];
  return [
    {
      path,
      message: `got ${text}, of which ${reserved} is reserved and never routed: take another`,
    },
  ];
}

/** This host, loopback, link-local (AWS's own services), multicast and above. */
const RESERVED = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
] as const;

function networkOf(cidr: string): Network {
  const network = parseCidr(cidr);
  if (!network) throw new RangeError(`${cidr} is no network`);
  return network;
}

/** A route, or an address of the tunnel, can lead to one place only. */
function checkOverlaps(
  { connection }: Environment,
  networks: readonly Named[],
): Problem[] {
  if (connection.mode !== "vpn") return [];
  const { forwarding } = connection.node;
  const routed = networks.filter(
    ({ kind }) => kind !== "administrators" && kind !== "peers",
  );
  const isVpc = ({ kind }: Named) => kind === "vpc" || kind === "existingVpc";
  return routed.flatMap((later, index) =>
    routed
      .slice(0, index)
      .filter(
        (earlier) =>
          later.network &&
          earlier.network &&
          overlap(later.network, earlier.network) &&
          // A proxy's connections need no route to the database's subnets.
          !(
            forwarding === "proxy" &&
            later.kind === "subnet" &&
            isVpc(earlier)
          ),
      )
      .map((earlier) => ({
        path: later.path,
        message: `got ${later.text}, which overlaps ${earlier.path} (${earlier.text}): take another network for one of them${isVpc(earlier) && later.kind === "subnet" ? ", or set connection.node.forwarding to proxy" : ""}`,
      })),
  );
}

function checkVpn({ source, connection, worker }: Environment): Problem[] {
  if (connection.mode !== "vpn") return [];
  const problems: Problem[] = [];
  if (!source.subnetCidrs) {
    problems.push({
      path: "source.subnetCidrs",
      message:
        "missing: the mode vpn needs the networks of all subnets in the database's subnet group",
    });
  }
  if (!source.vpcId) {
    problems.push({
      path: "source.vpcId",
      message: "missing: the mode vpn needs the database's VPC",
    });
  }
  const network = worker?.network;
  if (connection.server.kind === "own" && network?.kind === "existing") {
    problems.push(...checkExistingNetwork(network));
  }
  return [
    ...problems,
    ...checkKeys(connection),
    ...checkTunnelAddresses(connection),
  ];
}

function checkTunnelAddresses({ server }: VpnConnection): Problem[] {
  if (server.kind === "own") return [];
  const { tunnelAddress, nodeTunnelAddress } = server;
  if ((tunnelAddress === undefined) === (nodeTunnelAddress === undefined)) {
    return [];
  }
  const missing = tunnelAddress ? "nodeTunnelAddress" : "tunnelAddress";
  return [
    {
      path: `connection.server.${missing}`,
      message:
        "missing: give the addresses of both ends as the provider has them, or neither",
    },
  ];
}

type ExistingNetwork = Extract<
  NonNullable<Environment["worker"]>["network"],
  { kind: "existing" }
>;

function checkExistingNetwork(network: ExistingNetwork): Problem[] {
  const problems: Problem[] = [];
  if (!network.publicSubnetId) {
    problems.push({
      path: "worker.network.publicSubnetId",
      message: "missing: the VPN server is put there; or take an own network",
    });
  }
  if (network.privateRouteTableIds.length === 0) {
    problems.push({
      path: "worker.network.privateRouteTableIds",
      message:
        "missing: the routes to the database are put there; or take an own network",
    });
  }
  return problems;
}

function checkKeys({ node, server }: VpnConnection): Problem[] {
  if (!node.publicKey || node.publicKey !== server.publicKey) return [];
  return [
    {
      path: "connection.server.publicKey",
      message:
        "got the node's own key: the two ends have a key each; run npm run keys",
    },
  ];
}
