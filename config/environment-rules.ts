/** What has to hold between the fields of an environment file. */
import type { Environment } from "./environment";
import { checkMachines } from "./machine-rules";
import { checkNetworks } from "./network-rules";
import type { Problem } from "./problem";
import { workerVariables } from "./worker-variables";

/** All of them; of an environment whose fields are well-formed by themselves. */
export function checkRules(environment: Environment): Problem[] {
  return [
    ...checkStacks(environment),
    ...checkNetworks(environment),
    ...checkMachines(environment),
    ...checkSettings(environment),
    ...checkShards(environment),
    ...checkAccounts(environment),
  ];
}

/** With a provider's VPN server the worker is the provider's as well. */
function checkStacks({ connection, worker }: Environment): Problem[] {
  const isForeign =
    connection.mode === "vpn" && connection.server.kind === "foreign";
  if (isForeign && worker) {
    return [
      {
        path: "worker",
        message:
          "got one beside a VPN server of somebody else (connection.server.kind foreign), whose worker it is: remove one of them",
      },
    ];
  }
  if (isForeign || worker) return [];
  return [
    {
      path: "worker",
      message:
        "missing: it may be left out only when connection.server.kind is foreign",
    },
  ];
}

/** Variables that follow from other fields, and would contradict them. */
export const DERIVED_VARIABLES: ReadonlySet<string> = new Set([
  ...["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_SSL_SERVERNAME"],
  ...["DEST_DB_HOST", "DEST_DB_PORT", "DEST_DB_NAME", "DEST_DB_USER"],
  ...["SSH_HOST", "SSH_PORT", "SSH_USER", "SSH_HOST_KEY", "METRICS"],
  ...["HTTP_HOST", "HTTP_PORT"],
]);

function checkSettings({ worker }: Environment): Problem[] {
  if (!worker) return [];
  return Object.keys(worker.settings).flatMap((name): Problem[] => {
    const path = `worker.settings.${name}`;
    const variable = Object.entries(workerVariables).find(
      ([known]) => known === name,
    )?.[1];
    if (!variable) {
      return [
        {
          path,
          message: "no variable of the worker: see docs/configuration.md",
        },
      ];
    }
    if (variable.secret || variable.type === "file") {
      return [
        {
          path,
          message:
            "belongs in Secrets Manager, from where the task has it: remove it here (docs/deploy.md, “Secrets”)",
        },
      ];
    }
    if (DERIVED_VARIABLES.has(name)) {
      return [
        {
          path,
          message:
            "follows from other fields of this file: remove it, and change those",
        },
      ];
    }
    return [];
  });
}

function checkShards({ worker }: Environment): Problem[] {
  if (!worker) return [];
  const names = worker.shards.map(({ name }) => name);
  const problems = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [
          {
            path: `worker.shards[${index}].name`,
            message: `got ${name} twice: each shard has a slot of its own`,
          },
        ],
  );
  const taken = ["TRACK_TABLES", "SLOT_NAME", "PUBLICATION_NAME"].filter(
    (name) => name in worker.settings,
  );
  if (worker.shards.length === 0) return problems;
  return [
    ...problems,
    ...taken.map((name) => ({
      path: `worker.settings.${name}`,
      message: "with worker.shards each shard has its own: remove it here",
    })),
  ];
}

function checkAccounts({ source, worker }: Environment): Problem[] {
  const accounts = Object.entries({
    "source.account": source.account,
    ...(worker ? { "worker.account": worker.account } : {}),
  });
  return accounts.flatMap(([path, { id, roleArn }]) =>
    roleArn && roleArn.split(":")[4] !== id
      ? [
          {
            path: `${path}.roleArn`,
            message: `got a role of account ${roleArn.split(":")[4]}: it has to be of ${id}, as ${path}.id says`,
          },
        ]
      : [],
  );
}
