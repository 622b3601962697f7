/**
 * A network of a lab that loses packets, by rules of nftables on its router.
 * It does not delay them: that takes netem, which not every kernel has.
 */
import type { Network } from "../lab/network";
import type { HostName } from "../lab/topology";
import type { PacketFault } from "./fault-action";
import type { Direction } from "./fault-proxy";
import type { BreakableNetwork } from "./site";

/** A router, and its condition for packets of each direction. */
type Crossing = Readonly<Record<Direction, string>> & {
  readonly host: HostName;
};

/** Between the two private networks. */
export function internetOf(network: Network): BreakableNetwork {
  return nftNetwork(network, {
    host: "internet",
    toServer: 'oifname "source"',
    toClient: 'oifname "worker"',
  });
}

/** Between the worker and its destination. */
export function workerNetworkOf(network: Network): BreakableNetwork {
  return nftNetwork(network, {
    host: "workerRouter",
    toServer: 'oifname "subnet-audit"',
    toClient: 'iifname "subnet-audit"',
  });
}

function nftNetwork(network: Network, crossing: Crossing): BreakableNetwork {
  const set = (rules: readonly string[]) =>
    network.filter(crossing.host, tableOf(rules));
  return {
    begin: (fault, directions) =>
      set(directions.map((one) => `${crossing[one]} ${verdictOf(fault)}`)),
    end: () => set([]),
  };
}

/** In place of the one before. */
function tableOf(rules: readonly string[]): string {
  return `table ip faults
delete table ip faults
table ip faults {
  chain forward {
    type filter hook forward priority filter; policy accept;
${rules.map((rule) => `    ${rule}\n`).join("")}  }
}
`;
}

function verdictOf(fault: PacketFault): string {
  switch (fault.kind) {
    case "drop":
      return "drop";
    case "loss":
      return `numgen random mod 1000 >= ${1000 - fault.perMille} drop`;
    case "throttle":
      return `limit rate over ${fault.bytesPerSecond} bytes/second burst ${fault.burstBytes ?? BURST_BYTES} bytes drop`;
  }
}

/** A few dozen packets, as a router's queue. */
const BURST_BYTES = 64_000;
