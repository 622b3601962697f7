/** What jest's JSON says of a run: in figures, and of what failed its reasons. */
import { stripVTControlCharacters } from "node:util";

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    /** Path of the test file. */
    readonly name: string;
    readonly status: string;
    /** Why the file itself failed. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/** A line of a stack trace that is jest's, or Node's. */
const OTHERS_FRAME =
  /^ +at (?:.*\/node_modules\/|.*[( ]node:|.*process\/task|new Promise)/;
/** Of one failure: a difference of two long lists is in the run's own output. */
const MAX_REASON_LINES = 40;

/** A file that fails before its first test counts as one failure. */
export function countTests(results: JestResults): TestCounts {
  const unrun = results.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && assertionResults.length === 0,
  );
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + unrun.length,
    skipped: results.numPendingTests,
  };
}

/** `N passed, N failed`, and what was skipped, of several runs together. */
export function totalLine(runs: readonly TestCounts[]): string {
  const sum = (name: keyof TestCounts): number =>
    runs.reduce((total, counts) => total + counts[name], 0);
  const skipped = sum("skipped") ? `, ${sum("skipped")} skipped` : "";
  return `${sum("passed")} passed, ${sum("failed")} failed${skipped}`;
}

/**
 * Of each failure the file, the test and the reason. For the end of a long
 * output: of some CI only that is kept.
 */
export function failureTexts({ testResults }: JestResults): string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    if (status !== "failed") return [];
    const tests = assertionResults.filter((test) => test.status === "failed");
    return tests.length > 0
      ? tests.map(({ fullName, failureMessages }) =>
          failureText(
            `${name}: ${fullName}`,
            (failureMessages ?? []).join("\n"),
          ),
        )
      : [failureText(name, message)];
  });
}

function failureText(title: string, reason: string): string {
  const lines = stripVTControlCharacters(reason)
    .trim()
    .split("\n")
    .filter((line) => !OTHERS_FRAME.test(line));
  return [title, ...lines.slice(0, MAX_REASON_LINES)].join("\n  ");
}
