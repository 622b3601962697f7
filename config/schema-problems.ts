/** What the schema found, in sentences: got, allowed, what to change. */
import type { environmentSchema } from "./environment";
import { type Problem, pathOf, shown } from "./problem";

type Issue = NonNullable<
  ReturnType<typeof environmentSchema.safeParse>["error"]
>["issues"][number];

/** Of the issues of a parse with `reportInput`. */
export function schemaProblems(issues: readonly Issue[]): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      return (
        issue.keys
          // It is reported by the reader of the text, with its place.
          .filter((key) => key !== "__proto__")
          .map((key) => ({
            path: pathOf([...issue.path, key]),
            message: "unknown field: remove it, or correct its spelling",
          }))
      );
    }
    return [{ path: pathOf(issue.path), message: messageOf(issue) }];
  });
}

function messageOf(issue: Issue): string {
  const { input } = issue;
  if (issue.code === "invalid_union") return unionMessage(issue, input);
  if (input === undefined) return `missing: ${allowed(issue)}`;
  if (issue.code === "invalid_key") {
    return `not a key that is allowed: ${issue.issues[0]?.message ?? "rename it"}`;
  }
  const quotes =
    typeof input === "number" && "expected" in issue
      ? issue.expected === "string"
      : false;
  return `got ${shown(input)}: ${allowed(issue)}${quotes ? ", so put it in quotes" : ""}`;
}

/** All unions are told apart by one field; `path` is that field's. */
function unionMessage(issue: Issue, input: unknown): string {
  const options =
    "options" in issue && Array.isArray(issue.options)
      ? `allowed: ${issue.options.join(", ")}`
      : "not one of the allowed forms";
  const field = issue.path.at(-1);
  const got =
    typeof input === "object" && input !== null && typeof field === "string"
      ? Object.entries(input).find(([key]) => key === field)?.[1]
      : input;
  return got === undefined
    ? `missing; ${options}`
    : `got ${shown(got)}; ${options}`;
}

function allowed(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return ARTICLES[issue.expected] ?? `${issue.expected} is needed`;
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

const ARTICLES: Readonly<Record<string, string>> = {
  object: "an object, { … }, is needed",
  record: "an object, { … }, is needed",
  array: "an array, [ … ], is needed",
  string: "a text in quotes is needed",
  int: "a whole number is needed",
  number: "a number is needed",
  boolean: "true or false is needed",
};

function unitOf(origin: string): string {
  if (origin === "array") return " entries";
  return origin === "string" ? " characters" : "";
}
