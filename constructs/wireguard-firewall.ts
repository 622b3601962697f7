/**
 * nftables rules of both ends. What is not named here is dropped, also what
 * comes through the tunnel for the host itself.
 */
import type { NodeSettings, ServerSettings } from "./wireguard-values";

export const FIREWALL_TABLE = "bemi_vpn";

export function renderNodeFirewall(node: NodeSettings): string {
  const { forwarding, serverAddress, nodeAddress, databasePort } = node;
  const fromServer = `iifname "wg0" ip saddr ${serverAddress}`;
  const isProxy = forwarding === "proxy";
  const isSshOpen = node.sshCidrs.length > 0;
  return renderTable({
    sets: [
      ...(isProxy ? [] : [set("databases", node.databaseCidrs)]),
      ...(isSshOpen ? [set("administrators", node.sshCidrs)] : []),
    ],
    tunnelInput: isProxy
      ? [
          `${fromServer} ip daddr ${nodeAddress} tcp dport ${databasePort} accept`,
        ]
      : [],
    input: isSshOpen ? ["ip saddr @administrators tcp dport 22 accept"] : [],
    forward: isProxy
      ? []
      : [
          `${fromServer} ip daddr @databases tcp dport ${databasePort} ct state new accept`,
        ],
    // By addresses: the name of the network card depends on image and machine.
    postrouting: isProxy
      ? []
      : [`ip saddr ${serverAddress} ip daddr @databases masquerade`],
  });
}

export function renderServerFirewall(server: ServerSettings): string {
  const { forwarding, serverAddress, nodeAddress, databasePort } = server;
  const targets =
    forwarding === "proxy" ? [`${nodeAddress}/32`] : server.databaseCidrs;
  return renderTable({
    sets: [set("workers", server.workerCidrs), set("databases", targets)],
    tunnelInput: [],
    input: [`udp dport ${server.listenPort} accept`],
    forward: [
      `iifname != "wg0" oifname "wg0" ip saddr @workers ip daddr @databases tcp dport ${databasePort} ct state new accept`,
    ],
    // The node lets in, and answers, the server's address in the tunnel alone.
    postrouting: [
      `oifname "wg0" ip saddr @workers ip daddr @databases snat ip to ${serverAddress}`,
    ],
  });
}

/** Networks may overlap in it: outside of a set nft refuses that. */
function set(name: string, cidrs: readonly string[]): string {
  return `set ${name} { type ipv4_addr; flags interval; auto-merge; elements = { ${cidrs.join(", ")} } }`;
}

interface Table {
  readonly sets: readonly string[];
  /** What may come out of the tunnel for the host itself. */
  readonly tunnelInput: readonly string[];
  /** What else may come to the host. */
  readonly input: readonly string[];
  readonly forward: readonly string[];
  readonly postrouting: readonly string[];
}

/**
 * Loading it again replaces it at once, without a moment in between. While there
 * is no tunnel, what belongs in it has another route: out by the network card,
 * in clear. So nothing is forwarded that neither comes from wg0 nor goes there.
 */
function renderTable(table: Table): string {
  const indented = (lines: readonly string[], depth: number) =>
    lines.map((line) => `${"  ".repeat(depth)}${line}\n`).join("");
  return `table inet ${FIREWALL_TABLE}
delete table inet ${FIREWALL_TABLE}
table inet ${FIREWALL_TABLE} {
${indented(table.sets, 1)}  chain input {
    type filter hook input priority filter; policy drop;
    iif "lo" accept
${indented(table.tunnelInput, 2)}    iifname "wg0" drop
    ct state established,related accept
    icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
    udp sport 67 udp dport 68 accept
${indented(table.input, 2)}  }
  chain mss {
    type filter hook forward priority mangle; policy accept;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname != "wg0" oifname != "wg0" drop
    ip daddr 169.254.0.0/16 drop
    ct state established,related accept
${indented(table.forward, 2)}  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
${indented(table.postrouting, 2)}  }
}
`;
}
