/** What jest's JSON says of a run, in figures. */

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly unknown[];
  }[];
}

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
