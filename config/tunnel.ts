/** Addresses and the port of the WireGuard tunnel. */
import { addressIn } from "./cidr";
import type { VpnConnection } from "./environment";

/** UDP port on which a server of the kit's own listens. */
export const TUNNEL_PORT = 51_820;

/** Of the two ends inside the tunnel. A proxy on the node listens on its own. */
export function tunnelAddresses({ tunnelCidr, server }: VpnConnection): {
  readonly server: string;
  readonly node: string;
} {
  const isForeign = server.kind === "foreign";
  return {
    server: (isForeign && server.tunnelAddress) || addressIn(tunnelCidr, 1),
    node: (isForeign && server.nodeTunnelAddress) || addressIn(tunnelCidr, 2),
  };
}
