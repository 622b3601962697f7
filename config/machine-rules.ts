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
    const architecture = architectureOf(host.instanceType);
    if (architecture === host.architecture) continue;
    problems.push({
      path: `${path}.architecture`,
      message: `got ${host.architecture}, but ${host.instanceType} is ${architecture}: change one of them`,
    });
  }
  return problems;
}

/** Graviton families have a g behind their generation: t4g, c7gn, m6gd. */
function architectureOf(instanceType: string): "arm64" | "x86_64" {
  return /^(a1|[a-z]+\d+g[a-z]*)\./.test(instanceType) ? "arm64" : "x86_64";
}

function checkDestination({ destination, worker }: Environment): Problem[] {
  if (destination.kind !== "aurora") return [];
  const problems: Problem[] = [];
  const { minCapacityAcu, maxCapacityAcu } = destination;
  if (maxCapacityAcu < minCapacityAcu) {
    problems.push({
      path: "destination.maxCapacityAcu",
      message: `got ${maxCapacityAcu}, less than minCapacityAcu (${minCapacityAcu})`,
    });
  }
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
