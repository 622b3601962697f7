/**
 * Which faults happen when: a pure function of seed and time, so that a run
 * can be repeated as far as a system of processes can.
 */
import { DIRECTIONS, type Direction, type Fault } from "./fault-proxy";
import { between, pick, type Random, seeded } from "./random";

export type Server = "source" | "destination";

/** What happens. Those of the network are between the worker and a server. */
export type FaultAction =
  | { readonly kind: "kill worker" | "stop worker" }
  | {
      readonly kind: "crash" | "restart";
      readonly servers: readonly Server[];
      readonly downMs: number;
    }
  | {
      readonly kind: "terminate session" | "cut";
      readonly server: Server;
    }
  | {
      readonly kind: "forget";
      readonly server: Server;
      readonly directions: readonly Direction[];
    }
  | {
      readonly kind: "network";
      readonly server: Server;
      readonly directions: readonly Direction[];
      readonly fault: Fault;
      readonly durationMs: number;
    };

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

export function planFaults(
  seed: number,
  durationMs: number,
): readonly PlannedFault[] {
  const random = seeded(seed);
  const faults: PlannedFault[] = [];
  let atMs = FIRST_MS;
  while (atMs < durationMs) {
    const endsWorker = atMs < durationMs * WORKER_FAULTS_UNTIL;
    faults.push({ atMs, action: draw(random, endsWorker) });
    atMs += between(random, 100, MAX_PAUSE_MS);
  }
  return faults;
}

function draw(random: Random, endsWorker: boolean): FaultAction {
  const server = pick<Server>(random, ["source", "destination"]);
  const directions = pick<readonly Direction[]>(random, [
    DIRECTIONS,
    ["toServer"],
    ["toClient"],
  ]);
  const kind = pick(random, [
    ...(endsWorker
      ? (["kill worker", "kill worker", "kill worker", "stop worker"] as const)
      : []),
    ...(["crash", "crash", "restart"] as const),
    ...(["terminate session", "terminate session"] as const),
    ...(["cut", "forget", "network", "network", "network"] as const),
  ]);
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
    case "cut":
      return { kind, server };
    case "forget":
      return { kind, server, directions };
    case "network":
      return {
        kind,
        server,
        directions,
        fault: drawFault(random),
        durationMs: between(random, 500, 8_000),
      };
  }
}

function drawFault(random: Random): Fault {
  return pick<Fault>(random, [
    { kind: "delay", ms: between(random, 5, 400) },
    { kind: "throttle", bytesPerSecond: between(random, 20_000, 2_000_000) },
    { kind: "stall" },
    { kind: "blackHole" },
  ]);
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
      return `cut to ${action.server}`;
    case "forget":
      return `connections to ${action.server} forgotten, ${way(action)}`;
    case "network":
      return `${NAMES[action.fault.kind]} to ${action.server}, ${way(action)}`;
  }
}

const NAMES: Readonly<Record<Fault["kind"], string>> = {
  none: "nothing",
  delay: "delay",
  throttle: "throttle",
  stall: "stall",
  blackHole: "black hole",
};

function way({ directions }: { directions: readonly Direction[] }): string {
  return directions.length > 1 ? "both ways" : "one way";
}
