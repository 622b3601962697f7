/** The network that the environment file asks for: a new one, or one by its ids. */
import type { Construct } from "constructs";
import { parseCidr, subnetsOf } from "../config/cidr";
import type { WorkerEnvironment } from "../config/environment";
import type { Names } from "../config/names";
import {
  type NetworkZone,
  OwnWorkerNetwork,
  type WorkerNetwork,
} from "../constructs/worker-network";

export function addWorkerNetwork(
  scope: Construct,
  { account, network, logRetentionDays }: WorkerEnvironment,
  { names, kmsKeyArn }: { names: Names; kmsKeyArn: string },
): WorkerNetwork {
  if (network.kind === "existing") {
    const { privateRouteTableIds: ids } = network;
    return {
      ...network,
      privateRouteTableIds: Object.fromEntries(ids.map((id) => [id, id])),
    };
  }
  const { cidr, availabilityZones } = network;
  const { region } = account;
  return new OwnWorkerNetwork(scope, "network", {
    name: names.prefix,
    region,
    accountId: account.id,
    cidr,
    zones: zonesOf(cidr, availabilityZones ?? [`${region}a`, `${region}b`]),
    flowLog: {
      logGroupName: names.logGroups.network,
      retentionDays: logRetentionDays,
      kmsKeyArn,
    },
  });
}

/** A quarter of the network for each subnet: two public, then two private. */
function zonesOf(
  cidr: string,
  availabilityZones: readonly string[],
): NetworkZone[] {
  const prefixLength = (parseCidr(cidr)?.prefixLength ?? 0) + 2;
  const count = availabilityZones.length;
  const cidrs = subnetsOf(cidr, prefixLength, 2 * count);
  // By name: who exchanges the two in the file does not exchange the networks,
  // which would make every subnet anew.
  return [...availabilityZones].sort().flatMap((availabilityZone, index) => {
    const publicCidr = cidrs[index];
    const privateCidr = cidrs[count + index];
    return publicCidr && privateCidr
      ? [{ availabilityZone, publicCidr, privateCidr }]
      : [];
  });
}
