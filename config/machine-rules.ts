/** Of machines and their sizes in an environment file. */
import type { Environment } from "./environment";
import type { Problem } from "./problem";

export function checkMachines(environment: Environment): Problem[] {
  return [
    ...checkTask(environment),
    ...checkHosts(environment),
    ...checkDestination(environment),
  ];
}

/** CPU units to MiB: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html */
const TASK_MEMORY_MIB: Readonly<Record<number, readonly number[]>> = {
  256: [512, 1024, 2048],
  512: steps(1024, 4096),
  1024: steps(2048, 8192),
  2048: steps(4096, 16_384),
  4096: steps(8192, 30_720),
};

function steps(from: number, to: number): number[] {
  return Array.from(
    { length: (to - from) / 1024 + 1 },
    (_, index) => from + index * 1024,
  );
}

function checkTask({ worker }: Environment): Problem[] {
  if (!worker) return [];
  const allowed = TASK_MEMORY_MIB[worker.cpu] ?? [];
  if (allowed.includes(worker.memoryMib)) return [];
  const range =
    allowed.length > 3
      ? `${allowed[0]} to ${allowed.at(-1)} in steps of 1024`
      : allowed.join(", ");
  return [
    {
      path: "worker.memoryMib",
      message: `got ${worker.memoryMib}: with ${worker.cpu} CPU units Fargate takes ${range}`,
    },
  ];
}

function checkHosts({ connection }: Environment): Problem[] {
  if (connection.mode !== "vpn") return [];
  const problems: Problem[] = [];
  const { node, server } = connection;
  const hosts: [
    string,
    typeof node | Extract<typeof server, { kind: "own" }>,
  ][] = [["connection.node", node]];
  if (server.kind === "own") hosts.push(["connection.server", server]);
  for (const [path, host] of hosts) {
    if (OLD_GENERATIONS.test(host.instanceType)) {
      problems.push({
        path: `${path}.instanceType`,
        message: `got ${host.instanceType}, an older generation that has no EBS optimization: take t4g.nano, or t3.nano with x86_64`,
      });
      continue;
    }
    const architecture = architectureOf(host.instanceType);
    if (architecture === host.architecture) continue;
    problems.push({
      path: `${path}.architecture`,
      message: `got ${host.architecture}, but ${host.instanceType} is ${architecture}: change one of them`,
    });
  }
  return problems;
}

const OLD_GENERATIONS = /^(t1|t2|m1|m2|m3|c1|c3|r3|g2|i2|hs1|cr1|cc2)\./;

/** Graviton families have a g behind their generation: t4g, c7gn, m6gd. */
function architectureOf(instanceType: string): "arm64" | "x86_64" {
  return /^(a1|[a-z]+\d+g[a-z]*)\./.test(instanceType) ? "arm64" : "x86_64";
}

function checkDestination({ destination, worker }: Environment): Problem[] {
  if (destination.kind !== "aurora") return [];
  const problems = checkCapacity(destination);
  const network = worker?.network;
  if (network?.kind === "existing" && network.privateSubnetIds.length < 2) {
    problems.push({
      path: "worker.network.privateSubnetIds",
      message:
        "got one subnet: Aurora takes two in different availability zones; add one, or take an existing destination",
    });
  }
  return problems;
}

/**
 * Of each major version the first minor one with Serverless v2, and the first
 * that can pause: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
 */
const SERVERLESS_MINORS: Readonly<
  Record<string, { readonly first: number; readonly pausing: number }>
> = {
  14: { first: 3, pausing: 12 },
  15: { first: 2, pausing: 7 },
  16: { first: 1, pausing: 3 },
  17: { first: 4, pausing: 4 },
  18: { first: 0, pausing: 0 },
};

type Aurora = Extract<Environment["destination"], { kind: "aurora" }>;

function checkCapacity(destination: Aurora): Problem[] {
  const { minCapacityAcu, maxCapacityAcu, engineVersion } = destination;
  const problems: Problem[] = [];
  if (maxCapacityAcu < minCapacityAcu) {
    problems.push({
      path: "destination.maxCapacityAcu",
      message: `got ${maxCapacityAcu}, less than minCapacityAcu (${minCapacityAcu})`,
    });
  }
  const [major = "", minor] = engineVersion.split(".");
  const { first, pausing } = SERVERLESS_MINORS[major] ?? {
    first: 0,
    pausing: 0,
  };
  if (Number(minor) < first) {
    problems.push({
      path: "destination.engineVersion",
      message: `got ${engineVersion}: Aurora Serverless v2 begins with ${major}.${first}`,
    });
  } else if (minCapacityAcu === 0 && Number(minor) < pausing) {
    problems.push({
      path: "destination.minCapacityAcu",
      message: `got 0 with version ${engineVersion}: pausing begins with ${major}.${pausing}; take that, or at least 0.5`,
    });
  }
  return problems;
}
