/** `connection` of an environment file: the way from the worker to the source. */
import { z } from "zod";
import {
  amiId,
  architecture,
  cidr,
  host,
  instanceType,
  port,
  sshHostKey,
  sshPublicKey,
  subnetId,
  wireguardKey,
} from "./environment-fields";

const direct = z
  .strictObject({
    mode: z
      .literal("direct")
      .describe("The database is reached from the worker's network as it is."),
  })
  .describe("Directly: in one VPC, by peering, or over the internet.");

const ssh = z
  .strictObject({
    mode: z.literal("ssh").describe("The worker goes through a jump host."),
    host: host.describe("Name or address of the jump host."),
    port: port.default(22).describe("Port of its SSH server."),
    user: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, "a user's name")
      .describe("User on the jump host, for port forwarding only."),
    hostKey: sshHostKey.describe(
      "The jump host's key, `ssh-ed25519 AAAA…`, or its fingerprint, `SHA256:…`. No other host is accepted.",
    ),
    publicKey: sshPublicKey
      .optional()
      .describe(
        "Written by `npm run keys`; for the jump host's authorized_keys.",
      ),
  })
  .describe("Through an SSH jump host.");

/** What both ends of the tunnel have, where they are ours. */
const machine = {
  publicKey: wireguardKey
    .optional()
    .describe("WireGuard public key of this end, written by `npm run keys`."),
  instanceType: instanceType
    .default("t4g.nano")
    .describe("EC2 instance type; the smallest one carries any change stream."),
  architecture: architecture
    .default("arm64")
    .describe("Of the instance type, and of the image."),
  amiId: amiId
    .optional()
    .describe(
      "Amazon Linux 2023 image. Default: the newest one at the time the machine is made.",
    ),
  generation: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1)
    .describe("Raise it to replace the machine, for a newer image."),
};

const node = z
  .strictObject({
    subnetId: subnetId.describe(
      "A private subnet of the database's VPC with a way to the internet (NAT).",
    ),
    ...machine,
    forwarding: z
      .enum(["nat", "proxy"])
      .default("nat")
      .describe(
        "nat: packets to the database's subnets, on its port; proxy: connections to the database's name, also where networks overlap.",
      ),
    ssh: z
      .strictObject({
        keyName: z
          .string()
          .regex(/^[\x20-\x7e]{1,255}$/, "an EC2 key pair's name")
          .describe("EC2 key pair in the source's account and region."),
        cidrs: z
          .array(cidr)
          .min(1)
          .max(16)
          .describe("Networks that may connect; not everybody."),
      })
      .optional()
      .describe("Opens port 22 of the node. Default: closed."),
    sessionManager: z
      .boolean()
      .default(false)
      .describe(
        "Lets AWS Systems Manager open sessions on it, without any open port.",
      ),
  })
  .describe("The WireGuard node in the database's VPC, which dials out.");

const ownServer = z
  .strictObject({
    kind: z
      .literal("own")
      .describe("The kit makes it, in the worker's network."),
    ...machine,
    allowedCidrs: z
      .array(cidr)
      .min(1)
      .max(16)
      .default(["0.0.0.0/0"])
      .describe(
        "From where the node dials: the address of its NAT gateway, if it is fixed. WireGuard answers nobody without its key.",
      ),
  })
  .describe("A VPN server of the kit's own.");

const foreignServer = z
  .strictObject({
    kind: z
      .literal("foreign")
      .describe("A provider's, whose worker reads the database."),
    publicKey: wireguardKey.describe("The provider's WireGuard public key."),
    endpoint: host.describe("Name or address of the provider's server."),
    port: port.default(51_820).describe("Its UDP port."),
    tunnelAddress: z
      .ipv4("an IPv4 address")
      .optional()
      .describe(
        "The server's address inside the tunnel, where the provider says it. Default: the first of tunnelCidr.",
      ),
    nodeTunnelAddress: z
      .ipv4("an IPv4 address")
      .optional()
      .describe(
        "The node's, where the provider says it. Default: the second of tunnelCidr.",
      ),
  })
  .describe("A VPN server that is not the kit's.");

const vpn = z
  .strictObject({
    mode: z.literal("vpn").describe("Through a WireGuard tunnel."),
    node,
    server: z
      .discriminatedUnion("kind", [ownServer, foreignServer])
      .prefault({ kind: "own" })
      .describe("The far end of the tunnel, which listens."),
    tunnelCidr: cidr
      .default("100.64.77.0/30")
      .describe(
        "A /30 of addresses inside the tunnel: the first is the server's, the second the node's.",
      ),
  })
  .describe("Through a WireGuard tunnel that a node in its VPC dials.");

export const connection = z
  .discriminatedUnion("mode", [direct, ssh, vpn])
  .describe("How the worker reaches the source.");
