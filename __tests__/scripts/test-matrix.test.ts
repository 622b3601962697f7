import { existsSync } from "node:fs";
import { join } from "node:path";
import { chosenMajor } from "../../scripts/postgres-major";
import {
  countTests,
  failureTexts,
  type JestResults,
  totalLine,
} from "../../scripts/test-counts";
import { ONCE } from "../../scripts/version-independent-tests";

test.each(Object.keys(ONCE))("%s is an integration test", (path) => {
  expect(path).toMatch(/\.pg\.test\.ts$/);
  expect(existsSync(join(__dirname, "..", "..", path))).toBe(true);
});

const passed = { status: "passed", fullName: "is", failureMessages: [] };
const failed = {
  status: "failed",
  fullName: "group is not",
  failureMessages: [
    "\u001b[31mNot within\u001b[39m 5 ms\n    at one\n    at x (/y/node_modules/z:1)",
    "two",
  ],
};
const results: JestResults = {
  numPassedTests: 5,
  numFailedTests: 1,
  numPendingTests: 2,
  testResults: [
    { name: "/a", status: "passed", message: "", assertionResults: [passed] },
    {
      ...{ name: "/b", status: "failed", message: "all of it" },
      assertionResults: [passed, failed],
    },
    { name: "/c", status: "failed", message: "typo", assertionResults: [] },
  ],
};

test("a file that fails before its first test counts as a failure", () => {
  expect(countTests(results)).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

test("each failure is told with its reason", () => {
  expect(failureTexts(results)).toEqual([
    "/b: group is not\n  Not within 5 ms\n      at one\n  two",
    "/c\n  typo",
  ]);
});

test("the last line counts every run", () => {
  const one = { passed: 5, failed: 0, skipped: 0 };
  expect(totalLine([one])).toBe("5 passed, 0 failed");
  expect(totalLine([one, { passed: 3, failed: 2, skipped: 1 }])).toBe(
    "8 passed, 2 failed, 1 skipped",
  );
});

test("a version that is not supported is refused with those that are", () => {
  expect(chosenMajor("")).toBeUndefined();
  expect(chosenMajor("15")).toBe(15);
  expect(() => chosenMajor("13")).toThrow(
    'POSTGRES_MAJOR is "13"; allowed are 14, 15, 16, 17, 18, or leave it unset for 18.',
  );
});
