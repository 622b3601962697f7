/** Of accounts, regions and what is named by them: that they agree. */
import type { Account, Environment } from "./environment";
import type { Problem } from "./problem";

export function checkAccounts(environment: Environment): Problem[] {
  const { source, worker, state } = environment;
  return [
    ...checkRole("source.account", source.account),
    ...(worker ? checkRole("worker.account", worker.account) : []),
    ...checkState(state),
    ...checkZones(worker),
    ...checkTags(environment.tags),
  ];
}

function checkRole(path: string, account: Account): Problem[] {
  const { id, region, roleArn, externalId } = account;
  if (!roleArn) {
    if (!externalId) return [];
    return [
      {
        path: `${path}.externalId`,
        message: "got one without a roleArn that it is for: give both or none",
      },
    ];
  }
  const [, partition, , , owner] = roleArn.split(":");
  const problems: Problem[] = [];
  if (owner !== id) {
    problems.push({
      path: `${path}.roleArn`,
      message: `got a role of account ${owner}: it has to be of ${id}, as ${path}.id says`,
    });
  }
  if (partition !== partitionOf(region)) {
    problems.push({
      path: `${path}.roleArn`,
      message: `got a role of the partition ${partition}, but ${region} is in ${partitionOf(region)}`,
    });
  }
  return problems;
}

function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** S3 takes a key of the bucket's region only. */
function checkState(state: Environment["state"]): Problem[] {
  const region = state?.kmsKeyArn?.split(":")[3];
  if (!state || region === undefined || region === state.region) return [];
  return [
    {
      path: "state.kmsKeyArn",
      message: `got a key of ${region}: it has to be of ${state.region}, where the bucket is`,
    },
  ];
}

function checkZones(worker: Environment["worker"]): Problem[] {
  if (worker?.network.kind !== "own") return [];
  const zones = worker.network.availabilityZones ?? [];
  const { region } = worker.account;
  return zones.flatMap((zone, index): Problem[] => {
    const path = `worker.network.availabilityZones[${index}]`;
    if (!zone.startsWith(region)) {
      return [{ path, message: `got ${zone}: it has to be of ${region}` }];
    }
    if (zones.indexOf(zone) === index) return [];
    return [{ path, message: `got ${zone} twice: two different ones needed` }];
  });
}

/** AWS takes 50; some are the kit's, and some services add their own. */
const MAX_TAGS = 40;

function checkTags(tags: Environment["tags"]): Problem[] {
  const names = Object.keys(tags);
  const problems = names
    .filter((name) => /^(aws|bemi):/i.test(name))
    .map((name) => ({
      path: `tags.${name}`,
      message:
        "names that begin with aws: and bemi: are AWS's and the kit's: rename it",
    }));
  if (names.length <= MAX_TAGS) return problems;
  return [
    ...problems,
    {
      path: "tags",
      message: `got ${names.length}: at most ${MAX_TAGS}, because AWS takes 50 with those of the kit and of its own`,
    },
  ];
}
