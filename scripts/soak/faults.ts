/** Does to worker, servers, hosts and networks what the plan says. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type FaultAction,
  nameOf,
  type Server,
  targetsOf,
} from "./fault-action";
import type { KeptWorker } from "./kept-worker";
import type { PlannedFault } from "./plan";
import { DATABASE, type Site } from "./site";

export interface Targets {
  readonly worker: KeptWorker;
  readonly site: Site;
}

/** Of the worker's sessions: the stream's at the source, any at the destination. */
const TERMINATE: Readonly<Record<Server, string>> = {
  source:
    "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name LIKE 'bemi-worker%'",
  destination:
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'bemi-worker%'",
};

/**
 * Runs the plan; faults overlap unless they are of the same target. Resolves
 * when all are over, or those that had begun by `signal`. Counts what was done,
 * by name.
 */
export async function runFaults(
  plan: readonly PlannedFault[],
  targets: Targets,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const done = new Map<string, number>();
  const busy = new Map<string, Promise<void>>();
  const startMs = performance.now();
  for (const { atMs, action } of plan) {
    const pauseMs = atMs - (performance.now() - startMs);
    if (pauseMs > 0) {
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    if (signal.aborted) break;
    const name = nameOf(action);
    done.set(name, (done.get(name) ?? 0) + 1);
    // In the order of the plan, one after the other for each target.
    const waitFor = targetsOf(action).map((target) => busy.get(target));
    const running = Promise.all(waitFor).then(() => act(action, targets));
    running.catch(() => undefined);
    for (const target of targetsOf(action)) busy.set(target, running);
  }
  await Promise.all(busy.values());
  return done;
}

async function act(action: FaultAction, targets: Targets): Promise<void> {
  const { worker, site } = targets;
  const { clusters } = site;
  switch (action.kind) {
    case "kill worker":
      return worker.kill();
    case "stop worker":
      return worker.stop();
    case "crash":
    case "restart":
      await Promise.all(
        action.servers.map(async (server) => {
          const mode = action.kind === "crash" ? "immediate" : "fast";
          await clusters[server].stop(mode);
          await sleep(action.downMs);
          await clusters[server].startAgain();
        }),
      );
      return;
    case "terminate session": {
      const client = await clusters[action.server].client(DATABASE);
      await client.query(TERMINATE[action.server]);
      await client.end();
      return;
    }
    case "cut":
      there(site.ways, action.way).cut();
      return;
    case "forget":
      there(site.ways, action.way).forget(action.directions);
      return;
    case "network": {
      const way = there(site.ways, action.way);
      way.begin(action.fault, action.directions);
      await sleep(action.durationMs);
      way.end();
      return;
    }
    case "host":
      return there(site.hosts, action.host).break(action.fault, action.downMs);
    case "packets": {
      const network = there(site.networks, action.network);
      await network.begin(action.fault, action.directions);
      await sleep(action.durationMs);
      await network.end();
    }
  }
}

/** @throws Error for a plan of another site */
function there<Name extends string, Thing>(
  things: Readonly<Partial<Record<Name, Thing>>>,
  name: Name,
): Thing {
  const thing: Thing | undefined = things[name];
  if (thing === undefined) throw new Error(`no ${name} here`);
  return thing;
}
