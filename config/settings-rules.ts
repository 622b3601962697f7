/** `worker.settings` and `worker.shards`: that the worker will start with them. */
import { clientCertificateOf } from "./client-certificate";
import type { Environment } from "./environment";
import { tablePatterns } from "./named-patterns";
import { matchesPart, type Part } from "./patterns";
import { type Problem, shown } from "./problem";
import { allowedInstead, patternProblems } from "./variable-values";
import { type WorkerVariableName, workerVariables } from "./worker-variables";

export function checkSettings(environment: Environment): Problem[] {
  const { worker } = environment;
  if (!worker) return [];
  const settings = Object.entries(worker.settings).flatMap(([name, value]) =>
    checkSetting(name, value).map((message) => ({
      path: `worker.settings.${name}`,
      message,
    })),
  );
  return [
    ...settings,
    ...checkDestinationCertificate(environment),
    ...checkShards(worker.shards, worker.settings),
  ];
}

/** Its key would have no place: that secret is RDS's own. */
function checkDestinationCertificate(environment: Environment): Problem[] {
  const certificate = clientCertificateOf(environment, "destination");
  if (
    certificate === undefined ||
    environment.destination.kind === "existing"
  ) {
    return [];
  }
  return [
    {
      path: "worker.settings.DEST_DB_SSLCERT",
      message:
        "a destination of the kit's own asks for no certificate: remove it",
    },
  ];
}

/** Variables that follow from other fields, and would contradict them. */
export const DERIVED_VARIABLES: ReadonlySet<string> = new Set([
  ...["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_SSL_SERVERNAME"],
  ...["DEST_DB_HOST", "DEST_DB_PORT", "DEST_DB_NAME", "DEST_DB_USER"],
  ...["SSH_HOST", "SSH_PORT", "SSH_USER", "SSH_HOST_KEY", "METRICS"],
  ...["HTTP_HOST", "HTTP_PORT", "METRICS_ENVIRONMENT"],
]);

function checkSetting(name: string, value: string): string[] {
  if (!isVariable(name)) {
    return ["no variable of the worker: see docs/configuration.md"];
  }
  const { secret, type } = workerVariables[name];
  if (secret || type === "file") {
    return [
      "belongs in Secrets Manager, from where the task has it: remove it here (docs/deploy.md, “Secrets”)",
    ];
  }
  if (DERIVED_VARIABLES.has(name)) {
    return [
      "follows from other fields of this file: remove it, and change those",
    ];
  }
  if (value === "") {
    return ["got an empty text, which counts as unset: remove it"];
  }
  if (type === "certificates" && !value.includes("-----BEGIN CERTIFICATE")) {
    return [
      `got ${shown(value)}: the certificates themselves are needed, as PEM; the task has no file of yours`,
    ];
  }
  const allowed = allowedInstead(name, value);
  return [
    ...(allowed === undefined
      ? []
      : [`got ${shown(value)}, allowed: ${allowed}; correct or remove it`]),
    ...patternProblems(name, value),
  ];
}

function isVariable(name: string): name is WorkerVariableName {
  return Object.hasOwn(workerVariables, name);
}

type Shards = NonNullable<Environment["worker"]>["shards"];

function checkShards(
  shards: Shards,
  settings: Readonly<Record<string, string>>,
): Problem[] {
  if (shards.length === 0) return [];
  const taken = ["TRACK_TABLES", "SLOT_NAME", "PUBLICATION_NAME"].filter(
    (name) => name in settings,
  );
  return [
    ...taken.map((name) => ({
      path: `worker.settings.${name}`,
      message: "with worker.shards each shard has its own: remove it here",
    })),
    ...shards.flatMap((shard, index) => checkShard(shard, index, shards)),
  ];
}

function checkShard(
  { name, trackTables }: Shards[number],
  index: number,
  shards: Shards,
): Problem[] {
  const before = shards.slice(0, index);
  const path = `worker.shards[${index}]`;
  const wrong = tablePatterns(trackTables).problems;
  const problems = wrong.map((message) => ({
    path: `${path}.trackTables`,
    message,
  }));
  if (before.some((other) => other.name === name)) {
    problems.push({
      path: `${path}.name`,
      message: `got ${name} twice: each shard has a slot of its own`,
    });
  }
  for (const other of before) {
    const table = commonTable(trackTables, other.trackTables);
    if (table === undefined) continue;
    problems.push({
      path: `${path}.trackTables`,
      message: `a table such as ${table} is tracked by ${other.name} as well, and each of its changes would be recorded twice: exclude it from one of them`,
    });
  }
  return problems;
}

/**
 * A table that both would track. Not every pair of wildcards that could match
 * the same name is found; what is found is one.
 */
function commonTable(left: string, right: string): string | undefined {
  const [a, b] = [left, right].map(tracked);
  return [...(a?.samples ?? []), ...(b?.samples ?? [])]
    .find(
      ([schema, table]) => a?.tracks(schema, table) && b?.tracks(schema, table),
    )
    ?.join(".");
}

interface Tracked {
  readonly samples: readonly (readonly [string, string])[];
  readonly tracks: (schema: string, table: string) => boolean;
}

function tracked(text: string): Tracked {
  const { excludes, ...read } = tablePatterns(text);
  const { includes } =
    read.includes.length > 0 ? read : tablePatterns("public.*");
  return {
    samples: includes.map(({ schema, table }) => [
      sampleOf(schema),
      sampleOf(table),
    ]),
    tracks: (schema, table) => {
      const matches = (pattern: (typeof includes)[number]) =>
        matchesPart(pattern.schema, schema) &&
        matchesPart(pattern.table, table);
      return includes.some(matches) && !excludes.some(matches);
    },
  };
}

function sampleOf({ text, wildcard }: Part): string {
  return wildcard ? text.replaceAll("*", "x") : text;
}
