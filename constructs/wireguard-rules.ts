/** What a WireGuard host's security group lets in and out, as plain data. */

/** One rule; exactly one of `cidr` and `securityGroupId` is given. */
export interface SecurityRule {
  /** Of the construct; with it the rule is told apart from the others. */
  readonly id: string;
  readonly direction: "ingress" | "egress";
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly cidr?: string;
  readonly securityGroupId?: string;
  /** EC2 takes letters, digits, spaces and `._-:/()#,@[]+=&;{}!$*`. */
  readonly description: string;
}

export interface NodeRules {
  /** Address of the server, or a token for it; a name opens the port to all. */
  readonly serverHost: string;
  readonly serverPort: number;
  readonly databaseCidrs: readonly string[];
  readonly databasePort: number;
  readonly sshCidrs: readonly string[];
}

/** It dials out: nothing comes in, unless SSH is asked for. */
export function nodeRules(node: NodeRules): SecurityRule[] {
  // A name can move to any address.
  const isName = /[A-Za-z]/.test(node.serverHost.replace(/\$\{.*\}/, ""));
  return [
    {
      id: "egress-tunnel",
      direction: "egress",
      protocol: "udp",
      port: node.serverPort,
      cidr: isName ? "0.0.0.0/0" : `${node.serverHost}/32`,
      description: "WireGuard to the VPN server",
    },
    ...each(node.databaseCidrs).map(
      (cidr): SecurityRule => ({
        id: `egress-database-${idOf(cidr)}`,
        direction: "egress",
        protocol: "tcp",
        port: node.databasePort,
        cidr,
        description: "PostgreSQL in the subnets of the database",
      }),
    ),
    HTTPS,
    ...each(node.sshCidrs).map(
      (cidr): SecurityRule => ({
        id: `ingress-ssh-${idOf(cidr)}`,
        direction: "ingress",
        protocol: "tcp",
        port: 22,
        cidr,
        description: "SSH of administrators",
      }),
    ),
  ];
}

export interface ServerRules {
  readonly listenPort: number;
  readonly allowedCidrs: readonly string[];
  readonly workerSecurityGroupId: string;
  readonly databasePort: number;
}

/** What it forwards into the tunnel leaves it as WireGuard, on a known flow. */
export function serverRules(server: ServerRules): SecurityRule[] {
  return [
    ...each(server.allowedCidrs).map(
      (cidr): SecurityRule => ({
        id: `ingress-tunnel-${idOf(cidr)}`,
        direction: "ingress",
        protocol: "udp",
        port: server.listenPort,
        cidr,
        description: "WireGuard from the VPN node",
      }),
    ),
    {
      id: "ingress-worker",
      direction: "ingress",
      protocol: "tcp",
      port: server.databasePort,
      securityGroupId: server.workerSecurityGroupId,
      description: "PostgreSQL of the worker, for the tunnel",
    },
    HTTPS,
  ];
}

/** Packages at the first start, the key, metrics and the log. */
const HTTPS: SecurityRule = {
  id: "egress-https",
  direction: "egress",
  protocol: "tcp",
  port: 443,
  cidr: "0.0.0.0/0",
  description: "AWS APIs and the packages of Amazon Linux",
};

/** EC2 refuses a second rule that says the same. */
function each(cidrs: readonly string[]): string[] {
  return [...new Set(cidrs)];
}

/** By network, not by place: one more does not replace those after it. */
function idOf(cidr: string): string {
  return cidr.replace(/[./]/g, "-");
}
