/** Of the networks in an environment file: that they are some, and lie apart. */
import { overlap, parseCidr } from "./cidr";
import type { Environment, VpnConnection } from "./environment";
import type { Problem } from "./problem";

export function checkNetworks(environment: Environment): Problem[] {
  return [
    ...checkForm(environment),
    ...checkOverlaps(environment),
    ...checkVpn(environment),
  ];
}

/** Every network of the file with its path. */
function networksOf(environment: Environment): [string, string][] {
  const { source, connection, worker } = environment;
  const networks: [string, string][] = [
    ...(worker
      ? [["worker.network.cidr", worker.network.cidr] as [string, string]]
      : []),
    ...(source.subnetCidrs ?? []).map((cidr, index): [string, string] => [
      `source.subnetCidrs[${index}]`,
      cidr,
    ]),
  ];
  if (connection.mode !== "vpn") return networks;
  return [...networks, ["connection.tunnelCidr", connection.tunnelCidr]];
}

function checkForm(environment: Environment): Problem[] {
  const { connection, worker } = environment;
  const lists: [string, readonly string[]][] =
    connection.mode === "vpn"
      ? [
          ["connection.node.ssh.cidrs", connection.node.ssh?.cidrs ?? []],
          [
            "connection.server.allowedCidrs",
            connection.server.kind === "own"
              ? connection.server.allowedCidrs
              : [],
          ],
        ]
      : [];
  const listed = lists.flatMap(([path, cidrs]) =>
    cidrs.map((cidr, index): [string, string] => [`${path}[${index}]`, cidr]),
  );
  const problems = [...networksOf(environment), ...listed]
    .filter(([, cidr]) => !parseCidr(cidr))
    .map(([path, cidr]) => ({
      path,
      message: `got ${cidr}, which is no network: each part is 0 to 255, the length 0 to 32, and no bit is set behind it (10.20.30.0/24, not 10.20.30.1/24)`,
    }));
  const own = worker?.network.kind === "own" && parseCidr(worker.network.cidr);
  if (own && (own.prefixLength < 16 || own.prefixLength > 24)) {
    problems.push({
      path: "worker.network.cidr",
      message: `got a /${own.prefixLength}: a VPC of four subnets takes a /16 to a /24`,
    });
  }
  if (connection.mode !== "vpn") return problems;
  const tunnel = parseCidr(connection.tunnelCidr);
  if (tunnel && tunnel.prefixLength !== 30) {
    problems.push({
      path: "connection.tunnelCidr",
      message: `got a /${tunnel.prefixLength}: the two ends of the tunnel take a /30`,
    });
  }
  for (const [index, cidr] of (connection.node.ssh?.cidrs ?? []).entries()) {
    if (parseCidr(cidr)?.prefixLength !== 0) continue;
    problems.push({
      path: `connection.node.ssh.cidrs[${index}]`,
      message: `got ${cidr}, which is everybody: give the networks that administrators come from`,
    });
  }
  return problems;
}

/** A route, or an address of the tunnel, can lead to one place only. */
function checkOverlaps(environment: Environment): Problem[] {
  const { connection } = environment;
  if (connection.mode !== "vpn") return [];
  // A proxy's connections never need a route to the database's subnets.
  const routed = networksOf(environment).filter(
    ([path]) =>
      connection.node.forwarding === "nat" || !path.startsWith("source."),
  );
  return routed.flatMap(([path, cidr], index) =>
    routed
      .slice(0, index)
      .filter(([, other]) => {
        const [a, b] = [parseCidr(cidr), parseCidr(other)];
        return a && b && overlap(a, b);
      })
      .map(([otherPath, other]) => ({
        path,
        message: `got ${cidr}, which overlaps ${otherPath} (${other}): take another network for one of them${path.startsWith("source.") ? ", or set connection.node.forwarding to proxy" : ""}`,
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
  }
  return [...problems, ...checkKeys(connection)];
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
