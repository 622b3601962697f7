/** The replication slots of an environment, each with a worker of its own. */
import type { Environment } from "../config/environment";
import { namesOf } from "../config/names";
import type { FoundationSecrets } from "./foundation-stack";
import { given } from "./given";
import {
  type DestinationEndpoint,
  type Shard,
  type WorkerVariables,
  workerVariablesOf,
} from "./worker-variables";

export interface WorkerSlot {
  /** Construct id; not the slot's name, which a setting can change. */
  readonly id: string;
  readonly slotName: string;
  readonly serviceName: string;
  readonly variables: WorkerVariables;
}

/** One for each shard, or one for all tables. */
export function workerSlotsOf(
  environment: Environment,
  destination: DestinationEndpoint,
  secrets: FoundationSecrets,
): WorkerSlot[] {
  const { service } = namesOf(environment.name);
  const shards = environment.worker?.shards ?? [];
  const parts: readonly (Shard | undefined)[] =
    shards.length > 0 ? shards : [undefined];
  return parts.map((shard) => {
    const variables = workerVariablesOf(environment, shard, {
      destination,
      secrets: {
        source: given(secrets.source, "the source's secret").arn,
        ssh: secrets.ssh?.arn,
      },
    });
    return {
      id: shard ? `shard-${shard.name}` : "all",
      slotName: given(variables.environment.SLOT_NAME, "SLOT_NAME"),
      serviceName: shard ? `${service}-${shard.name}` : service,
      variables,
    };
  });
}
