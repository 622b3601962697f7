/** What no text of an environment file may be, wherever it stands. */
import { type Problem, pathOf } from "./problem";

/** What a problem begins with when it is a placeholder, `<…>`. */
export const UNFILLED = "still to be filled in";

/** Of the file as it was written, before it is known to be an environment. */
export function checkTexts(
  value: unknown,
  path: readonly PropertyKey[] = [],
): Problem[] {
  if (typeof value === "string") return checkText(value, pathOf(path));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    checkTexts(part, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function checkText(text: string, path: string): Problem[] {
  const placeholder = /^<(.*)>$/s.exec(text)?.[1];
  if (placeholder !== undefined) {
    return [{ path, message: `${UNFILLED}: ${placeholder}` }];
  }
  if (/[$%]\{/.test(text)) {
    return [
      {
        path,
        message:
          "got a text with ${ or %{ in it, which Terraform would replace: leave that out",
      },
    ];
  }
  return [];
}
