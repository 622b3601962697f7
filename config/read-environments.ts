/** All environment files of a folder: each by itself, and beside the others. */
import { basename } from "node:path";
import type { Environment } from "./environment";
import type { Problem } from "./problem";
import { EnvironmentError, readEnvironment } from "./read-environment";

export interface EnvironmentText {
  /** Its path, for messages. */
  readonly file: string;
  readonly text: string;
}

/** One message for everything that is wrong with all of them. */
export class EnvironmentsError extends Error {
  override readonly name = "EnvironmentsError";

  constructor(readonly errors: readonly EnvironmentError[]) {
    super(errors.map(({ message }) => message).join("\n"));
  }
}

/** @throws EnvironmentsError with every problem of every file */
export function readEnvironments(
  texts: readonly EnvironmentText[],
): Environment[] {
  const errors: EnvironmentError[] = [];
  const environments: Environment[] = [];
  for (const { file, text } of texts) {
    try {
      const environment = readEnvironment(file, text);
      const problems = checkBeside(environment, environments);
      if (problems.length > 0) throw new EnvironmentError(file, problems);
      environments.push(environment);
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new EnvironmentsError(errors);
  return environments;
}

/** Whether this is the name of an environment's file, not of the schema. */
export function isEnvironmentFile(path: string): boolean {
  return /^(?!.*\.schema\.json$).*\.json$/.test(basename(path));
}

function checkBeside(
  environment: Environment,
  others: readonly Environment[],
): Problem[] {
  return others.flatMap((other) => [
    ...checkNames(environment, other),
    ...checkSlots(environment, other),
  ]);
}

/** Whether `cdktf deploy '<one>-*'` means stacks of the other as well. */
export function sharesPattern(one: string, other: string): boolean {
  return one.startsWith(`${other}-`) || other.startsWith(`${one}-`);
}

function checkNames({ name }: Environment, other: Environment): Problem[] {
  if (!sharesPattern(name, other.name)) return [];
  const short = name.length < other.name.length ? name : other.name;
  return [
    {
      path: "",
      message: `cannot be beside the environment ${other.name}, because '${short}-*' deploys the stacks of both: rename one`,
    },
  ];
}

/** A slot's name is one of the whole server, and has one reader. */
function checkSlots(environment: Environment, other: Environment): Problem[] {
  const { source } = environment;
  const isSame =
    source.host.toLowerCase() === other.source.host.toLowerCase() &&
    source.port === other.source.port;
  if (!isSame) return [];
  const taken = new Set(slotsOf(other));
  return slotsOf(environment)
    .filter((slot) => taken.has(slot))
    .map((slot) => ({
      path: "source.host",
      message: `${other.name} has the slot ${slot} of the same server: set worker.settings.SLOT_NAME and PUBLICATION_NAME in one of them`,
    }));
}

/** Of shards they are `<slot>_<shard>`. */
function slotsOf({ worker }: Environment): string[] {
  if (!worker) return [];
  const { shards, settings } = worker;
  if (shards.length === 0) return [settings.SLOT_NAME ?? "bemi"];
  return shards.map(({ name }) => `bemi_${name}`);
}
