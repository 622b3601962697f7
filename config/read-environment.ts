/** An environment file's text to an `Environment`, or to all of its problems. */
import { type Environment, environmentSchema } from "./environment";
import { checkRules } from "./environment-rules";
import type { Problem } from "./problem";

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

/** First part of every stack's and resource's name, so it is short. */
const NAME = /^[a-z][a-z0-9-]{0,22}[a-z0-9]$/;

/**
 * @param file - its path, for messages; its base name is the environment's
 * @throws EnvironmentError with every problem that there is
 */
export function readEnvironment(file: string, text: string): Environment {
  const name = /([^/\\]*)\.json$/.exec(file)?.[1] ?? "";
  const problems: Problem[] = NAME.test(name)
    ? []
    : [
        {
          path: "",
          message: `got ${JSON.stringify(name)} as the file's name: lower-case letters, digits and hyphens, 2 to 24, beginning with a letter; rename it`,
        },
      ];
  const parsed = environmentSchema.safeParse(parseJson(file, text), {
    reportInput: true,
  });
  if (!parsed.success) {
    throw new EnvironmentError(file, [
      ...problems,
      ...parsed.error.issues.map(problemOf),
    ]);
  }
  const environment = { ...parsed.data, name };
  problems.push(...checkRules(environment));
  if (problems.length > 0) throw new EnvironmentError(file, problems);
  return environment;
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EnvironmentError(file, [
      { path: "", message: `not JSON: ${message}` },
    ]);
  }
}

type Issue = NonNullable<
  ReturnType<typeof environmentSchema.safeParse>["error"]
>["issues"][number];

function problemOf(issue: Issue): Problem {
  const path = issue.path.reduce<string>(
    (text, part) =>
      typeof part === "number"
        ? `${text}[${part}]`
        : `${text}${text ? "." : ""}${String(part)}`,
    "",
  );
  return { path, message: messageOf(issue) };
}

function messageOf(issue: Issue): string {
  if (issue.code === "unrecognized_keys") {
    return `unknown ${issue.keys.length > 1 ? "fields" : "field"} ${issue.keys.join(", ")}: remove, or correct the spelling`;
  }
  const missing = issue.input === undefined;
  if (issue.code === "invalid_union" && "options" in issue) {
    return `has to be one of ${(issue.options as readonly unknown[]).join(", ")}`;
  }
  const got = missing ? "missing" : `got ${JSON.stringify(issue.input)}`;
  return `${got}: ${allowed(issue)}`;
}

function allowed(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `${issue.expected} is needed`;
    case "invalid_value":
      return `allowed: ${issue.values.join(", ")}`;
    case "too_small":
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "not_multiple_of":
      return `a multiple of ${issue.divisor}`;
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  if (origin === "array") return " entries";
  return origin === "string" ? " characters" : "";
}
