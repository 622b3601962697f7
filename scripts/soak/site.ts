/**
 * Where a run takes place: two servers, the way of the worker to them, and what
 * can be done to that way.
 */
import type { Cluster, ClusterOptions } from "../cluster";
import type {
  HostFault,
  Network,
  PacketFault,
  Server,
  TunnelHost,
  Way,
} from "./fault-action";
import type { Direction, FaultProxy } from "./fault-proxy";

export const DATABASE = "soak";

export interface Site {
  readonly clusters: Readonly<Record<Server, Cluster>>;
  /** Of the worker: the way to both servers. */
  readonly env: Readonly<Record<string, string>>;
  /** Before the worker's command: where it runs. */
  readonly enter: readonly string[];
  readonly ways: Readonly<Partial<Record<Way, FaultProxy>>>;
  readonly hosts: Readonly<Partial<Record<TunnelHost, BreakableHost>>>;
  readonly networks: Readonly<Partial<Record<Network, BreakableNetwork>>>;
}

export interface BreakableHost {
  /** Resolves when the host is started again; it may not serve yet. */
  break(fault: HostFault, downMs: number): Promise<void>;
}

export interface BreakableNetwork {
  begin(fault: PacketFault, directions: readonly Direction[]): Promise<void>;
  end(): Promise<void>;
}

/** Short, so that a half-open connection is noticed within the run. */
const SENDER_TIMEOUT = "5s";
export const SERVER_SETTINGS: NonNullable<ClusterOptions["settings"]> = {
  wal_sender_timeout: SENDER_TIMEOUT,
  max_prepared_transactions: 10,
  max_connections: 100,
};
