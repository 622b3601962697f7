/** Where the environment file says that the worker connects to. */
import type { Environment } from "../config/environment";
import { tunnelAddresses } from "../config/tunnel";
import type { Egress } from "../constructs/worker-security-group";

/** By the id of the rule's construct. */
export type EgressRules = Readonly<Record<string, Egress>>;

/** The database, or whoever stands before it. */
export function sourceEgress({ source, connection }: Environment): EgressRules {
  if (connection.mode === "ssh") {
    return {
      "jump-host": {
        port: connection.port,
        to: { cidr: cidrOf(connection.host) },
        description: "SSH to the jump host",
      },
    };
  }
  if (connection.mode === "vpn" && connection.node.forwarding === "proxy") {
    return {
      "vpn-node": {
        port: source.port,
        to: { cidr: `${tunnelAddresses(connection).node}/32` },
        description: "PostgreSQL at the VPN node, which passes it on",
      },
    };
  }
  const cidrs = source.subnetCidrs ?? [cidrOf(source.host)];
  return Object.fromEntries(
    cidrs.map((cidr): [string, Egress] => [
      `source-${cidr.replaceAll(/[./]/g, "-")}`,
      {
        port: source.port,
        to: { cidr },
        description: "PostgreSQL: the source",
      },
    ]),
  );
}

export function destinationEgress(destination: {
  readonly host: string;
  readonly port: number;
  /** Goes before the host: nothing beside the database is reached. */
  readonly securityGroupId?: string | undefined;
}): EgressRules {
  const { host, port, securityGroupId } = destination;
  return {
    destination: {
      port,
      to: securityGroupId ? { securityGroupId } : { cidr: cidrOf(host) },
      description: "PostgreSQL: the destination",
    },
  };
}

/** A name can lead to any address, and to another one tomorrow. */
function cidrOf(host: string): string {
  return /^[\d.]+$/.test(host) ? `${host}/32` : "0.0.0.0/0";
}
