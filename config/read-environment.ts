/** An environment file's text to an `Environment`, or to all of its problems. */
import { type Environment, environmentSchema } from "./environment";
import { checkRules } from "./environment-rules";
import { readJson } from "./json-text";
import type { Problem } from "./problem";
import { schemaProblems } from "./schema-problems";
import { checkTexts } from "./text-rules";

/** The file says what cannot be; one line a problem, by path. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";

  constructor(
    readonly file: string,
    readonly problems: readonly Problem[],
  ) {
    const lines = problems.map(
      ({ path, message }) => `  ${path ? `${path}: ` : ""}${message}`,
    );
    super(`${file} is not a valid environment:\n${lines.join("\n")}`);
  }
}

/**
 * @param file - its path, for messages; its base name is the environment's
 * @throws EnvironmentError with every problem that there is
 */
export function readEnvironment(file: string, text: string): Environment {
  const name = /([^/\\]*)\.json$/.exec(file)?.[1] ?? "";
  const { value, problems: textProblems } = readJson(text);
  const problems = [...checkName(name), ...textProblems];
  if (value === undefined) throw new EnvironmentError(file, problems);
  problems.push(...checkTexts(value));
  const parsed = environmentSchema.safeParse(value, { reportInput: true });
  if (parsed.success) {
    const environment = { ...parsed.data, name };
    problems.push(...checkRules(environment));
    if (problems.length === 0) return environment;
  } else {
    const known = new Set(problems.map(({ path }) => path));
    const found = schemaProblems(parsed.error.issues);
    problems.push(
      ...found.filter(({ path }) => !known.has(path)),
      ...checkRemainder(value, found),
    );
  }
  throw new EnvironmentError(file, problems);
}

/** First part of every stack's and resource's name, so it is short. */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

function checkName(name: string): Problem[] {
  if (NAME.test(name) && name.length >= 2 && name.length <= 24) return [];
  return [
    {
      path: "",
      message: `got ${JSON.stringify(name)} as the file's name: 2 to 24 lower-case letters, digits and single hyphens, beginning with a letter; rename it`,
    },
  ];
}

/**
 * What is wrong between those parts that are well-formed by themselves. In the
 * place of each other part there is one that no rule has anything against.
 */
function checkRemainder(value: unknown, found: readonly Problem[]): Problem[] {
  if (typeof value !== "object" || value === null) return [];
  const broken = new Set(found.map(({ path }) => /^[^.[]*/.exec(path)?.[0]));
  const known = new Set(Object.keys(environmentSchema.shape));
  const parts = Object.entries(value).filter(
    ([key]) => known.has(key) && !broken.has(key),
  );
  const parsed = environmentSchema.safeParse({
    ...Object.fromEntries(
      Object.entries(INNOCUOUS).filter(([key]) => broken.has(key)),
    ),
    ...Object.fromEntries(parts),
  });
  if (!parsed.success) return [];
  // Whether a worker belongs to it is said by the connection.
  if (broken.has("connection")) broken.add("worker");
  return checkRules({ ...parsed.data, name: "" }).filter(
    ({ path }) => !broken.has(/^[^.[]*/.exec(path)?.[0] ?? ""),
  );
}

const account = { id: "000000000000", region: "us-east-1" };

const INNOCUOUS = {
  source: { account, host: "localhost", database: "postgres" },
  connection: { mode: "direct" },
  // A network that documentation has to itself, and nobody's database.
  worker: { account, network: { kind: "own", cidr: "192.0.2.0/24" } },
  destination: {
    kind: "existing",
    host: "localhost",
    database: "postgres",
    user: "postgres",
  },
};
