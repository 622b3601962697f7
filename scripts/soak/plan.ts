/**
 * Which faults happen when: a pure function of seed, time and the way to the
 * source, so that a run can be repeated as far as a system of processes can.
 */
import type {
  FaultAction,
  PacketFault,
  Server,
  Through,
  Way,
} from "./fault-action";
import { DIRECTIONS, type Direction, type Fault } from "./fault-proxy";
import { between, pick, type Random, seeded } from "./random";

export interface PlannedFault {
  readonly atMs: number;
  readonly action: FaultAction;
}

const MAX_PAUSE_MS = 6_000;
/** So that the trail is up when the faults begin. */
const FIRST_MS = 3_000;
/**
 * The worker's process is killed and stopped only in the first half: the second
 * shows what a process does that lives through everything else, and whether
 * its memory grows.
 */
const WORKER_FAULTS_UNTIL = 0.5;
/** Of the faults through a tunnel: those that the tunnel has. */
const TUNNEL_SHARE = 0.4;
/** Of those of the VPN; with more of them the trail would seldom flow. */
const VPN_HOST_SHARE = 0.15;

export function planFaults(
  seed: number,
  durationMs: number,
  through: Through = "direct",
): readonly PlannedFault[] {
  const random = seeded(seed);
  const faults: PlannedFault[] = [];
  let atMs = FIRST_MS;
  while (atMs < durationMs) {
    const endsWorker = atMs < durationMs * WORKER_FAULTS_UNTIL;
    faults.push({ atMs, action: DRAW[through](random, endsWorker) });
    atMs += between(random, 100, MAX_PAUSE_MS);
  }
  return faults;
}

type Draw = (random: Random, endsWorker: boolean) => FaultAction;

const DRAW: Readonly<Record<Through, Draw>> = {
  direct(random, endsWorker) {
    const server = drawServer(random);
    const directions = drawDirections(random);
    const kind = pick(random, [
      ...processKinds(endsWorker),
      ...(["cut", "forget", "network", "network", "network"] as const),
    ]);
    switch (kind) {
      case "cut":
        return { kind, way: server };
      case "forget":
        return { kind, way: server, directions };
      case "network":
        return drawNetwork(random, server, directions);
      default:
        return drawOfProcess(random, kind, server);
    }
  },

  ssh(random, endsWorker) {
    if (random() > TUNNEL_SHARE) return DRAW.direct(random, endsWorker);
    const way: Way = "jump host";
    const kind = pick(random, [
      ...(["restart", "power failure", "power failure", "pause"] as const),
      ...(["cut", "forget", "network", "network", "network"] as const),
    ]);
    switch (kind) {
      case "cut":
        return { kind, way };
      case "forget":
        return { kind, way, directions: drawDirections(random) };
      case "network":
        return drawNetwork(random, way, drawDirections(random));
      default: {
        const downMs = between(random, 0, 8_000);
        return { kind: "host", host: way, fault: kind, downMs };
      }
    }
  },

  vpn(random, endsWorker) {
    if (random() > TUNNEL_SHARE) {
      const kind = pick(random, processKinds(endsWorker));
      return drawOfProcess(random, kind, drawServer(random));
    }
    if (random() < VPN_HOST_SHARE) {
      return {
        kind: "host",
        host: pick(random, ["VPN node", "VPN node", "VPN server"]),
        fault: pick(random, ["power failure", "replacement"]),
        downMs: between(random, 0, 8_000),
      };
    }
    return {
      kind: "packets",
      // What is new here is the tunnel; the other has been tried without it.
      network: random() < 0.8 ? "internet" : "worker's network",
      directions: drawDirections(random),
      fault: drawPacketFault(random),
      durationMs: between(random, 500, 8_000),
    };
  },
};

const PROCESS_KINDS = [
  "crash",
  "crash",
  "restart",
  "terminate session",
  "terminate session",
] as const;
const WORKER_KINDS = [
  "kill worker",
  "kill worker",
  "kill worker",
  "stop worker",
] as const;

type ProcessKind =
  | (typeof PROCESS_KINDS)[number]
  | (typeof WORKER_KINDS)[number];

function processKinds(endsWorker: boolean): readonly ProcessKind[] {
  return [...(endsWorker ? WORKER_KINDS : []), ...PROCESS_KINDS];
}

function drawOfProcess(
  random: Random,
  kind: ProcessKind,
  server: Server,
): FaultAction {
  switch (kind) {
    case "kill worker":
    case "stop worker":
      return { kind };
    case "crash":
    case "restart": {
      const isBoth = random() < 0.2;
      const servers: readonly Server[] = isBoth
        ? ["source", "destination"]
        : [server];
      return { kind, servers, downMs: between(random, 0, 2_000) };
    }
    case "terminate session":
      return { kind, server };
  }
}

function drawServer(random: Random): Server {
  return pick<Server>(random, ["source", "destination"]);
}

function drawDirections(random: Random): readonly Direction[] {
  return pick<readonly Direction[]>(random, [
    DIRECTIONS,
    ["toServer"],
    ["toClient"],
  ]);
}

function drawNetwork(
  random: Random,
  way: Way,
  directions: readonly Direction[],
): FaultAction {
  return {
    kind: "network",
    way,
    directions,
    fault: pick<Fault>(random, [
      { kind: "delay", ms: between(random, 5, 400) },
      { kind: "throttle", bytesPerSecond: between(random, 20_000, 2_000_000) },
      { kind: "stall" },
      { kind: "blackHole" },
    ]),
    durationMs: between(random, 500, 8_000),
  };
}

function drawPacketFault(random: Random): PacketFault {
  return pick<PacketFault>(random, [
    { kind: "drop" },
    { kind: "loss", perMille: between(random, 5, 200) },
    { kind: "throttle", bytesPerSecond: between(random, 20_000, 2_000_000) },
  ]);
}
