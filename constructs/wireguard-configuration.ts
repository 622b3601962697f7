/** `wg0.conf` of both ends, as wg-quick reads it. There is no key in it. */
import type { NodeSettings, ServerSettings } from "./wireguard-values";

export const FIREWALL_FILE = "/etc/bemi-vpn/nft.conf";
export const KEY_COMMAND = "/usr/local/sbin/bemi-vpn-key";

/**
 * Bytes. Between two VPCs packets are 1500 at most, and WireGuard takes 80 of
 * them; wg-quick's own guess is made from the card's 9001.
 */
const MTU = 1420;
/** The node is behind NAT, whose memory of a UDP flow ends after 30 s at least. */
const KEEPALIVE_SECONDS = 25;

export function renderNodeConfiguration(node: NodeSettings): string {
  const isRouter = node.forwarding === "nat";
  return `${renderInterface(node.nodeAddress, isRouter)}
[Peer]
PublicKey = ${node.peerPublicKey}
AllowedIPs = ${node.serverAddress}/32
Endpoint = ${node.serverHost}:${node.serverPort}
PersistentKeepalive = ${KEEPALIVE_SECONDS}
`;
}

export function renderServerConfiguration(server: ServerSettings): string {
  const behindNode = server.forwarding === "nat" ? server.databaseCidrs : [];
  const allowed = [`${server.nodeAddress}/32`, ...behindNode];
  return `${renderInterface(server.serverAddress, true)}ListenPort = ${server.listenPort}

[Peer]
PublicKey = ${server.peerPublicKey}
AllowedIPs = ${allowed.join(", ")}
`;
}

/**
 * The rules are there before anything is forwarded, also where the machine is
 * started again, and stay when the interface goes. The key comes last, from a
 * command that fails without one: `wg set` takes an empty file for the wish to
 * have no key, and succeeds.
 */
function renderInterface(address: string, isRouter: boolean): string {
  return `[Interface]
Address = ${address}/32
MTU = ${MTU}
PreUp = nft -f ${FIREWALL_FILE}
${isRouter ? "PreUp = sysctl -qw net.ipv4.ip_forward=1\n" : ""}PostUp = ${KEY_COMMAND} set
`;
}
