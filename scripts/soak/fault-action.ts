/** What the fault suite does, to whom, and by what name it is counted. */
import type { Direction, Fault } from "./fault-proxy";

/** How the worker reaches the source. */
export const THROUGH = ["direct", "ssh", "vpn"] as const;
export type Through = (typeof THROUGH)[number];

export type Server = "source" | "destination";
/** Hosts of the tunnel: of SSH, and of the VPN. */
export type TunnelHost = "jump host" | "VPN node" | "VPN server";
/** Where TCP connections can be held: before a server, or before the jump host. */
export type Way = Server | "jump host";
/** Where packets can be held. */
export type Network = "internet" | "worker's network";

/**
 * What happens to packets: all are dropped, a share of them, or what is over a
 * rate.
 */
export type PacketFault =
  | { readonly kind: "drop" }
  /** From 1 to 1000. */
  | { readonly kind: "loss"; readonly perMille: number }
  | {
      readonly kind: "throttle";
      readonly bytesPerSecond: number;
      /** That passes at once. @default a router's queue */
      readonly burstBytes?: number;
    };

/**
 * What becomes of a host: `restart` leaves connections alone, as a restart of
 * its service; `power failure` comes up with the same disk; `replacement` is a
 * new machine; `pause` takes connections and says nothing.
 */
export type HostFault = "restart" | "power failure" | "replacement" | "pause";

export type FaultAction =
  | { readonly kind: "kill worker" | "stop worker" }
  | {
      readonly kind: "crash" | "restart";
      readonly servers: readonly Server[];
      readonly downMs: number;
    }
  | { readonly kind: "terminate session"; readonly server: Server }
  | { readonly kind: "cut"; readonly way: Way }
  | {
      readonly kind: "forget";
      readonly way: Way;
      readonly directions: readonly Direction[];
    }
  | {
      readonly kind: "network";
      readonly way: Way;
      readonly directions: readonly Direction[];
      readonly fault: Fault;
      readonly durationMs: number;
    }
  | {
      readonly kind: "host";
      readonly host: TunnelHost;
      readonly fault: HostFault;
      readonly downMs: number;
    }
  | {
      readonly kind: "packets";
      readonly network: Network;
      readonly directions: readonly Direction[];
      readonly fault: PacketFault;
      readonly durationMs: number;
    };

/** Faults of the same target come one after the other. */
export function targetsOf(action: FaultAction): readonly string[] {
  switch (action.kind) {
    case "kill worker":
    case "stop worker":
      return ["worker"];
    case "crash":
    case "restart":
      return action.servers;
    case "terminate session":
      return [action.server];
    case "cut":
    case "forget":
    case "network":
      return [`way to ${action.way}`];
    case "host":
      return [action.host];
    case "packets":
      return [action.network];
  }
}

/** By what a fault is counted in the report. */
export function nameOf(action: FaultAction): string {
  switch (action.kind) {
    case "kill worker":
    case "stop worker":
      return action.kind;
    case "crash":
    case "restart":
      return `${action.kind} of ${action.servers.join(" and ")}`;
    case "terminate session":
      return action.server === "source"
        ? "walsender terminated"
        : "destination session terminated";
    case "cut":
      return `cut to ${action.way}`;
    case "forget":
      return `connections to ${action.way} forgotten, ${way(action)}`;
    case "network":
      return `${NAMES[action.fault.kind]} to ${action.way}, ${way(action)}`;
    case "host":
      return `${action.fault} of ${action.host}`;
    case "packets":
      return `${PACKET_NAMES[action.fault.kind]} in ${action.network}, ${way(action)}`;
  }
}

const NAMES: Readonly<Record<Fault["kind"], string>> = {
  none: "nothing",
  delay: "delay",
  throttle: "throttle",
  stall: "stall",
  blackHole: "black hole",
};

const PACKET_NAMES: Readonly<Record<PacketFault["kind"], string>> = {
  drop: "all packets dropped",
  loss: "packets lost",
  throttle: "packets over a rate dropped",
};

function way({ directions }: { directions: readonly Direction[] }): string {
  return directions.length > 1 ? "both ways" : "one way";
}
