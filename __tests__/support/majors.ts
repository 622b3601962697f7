import {
  chosenMajor,
  NEWEST_MAJOR,
  type SupportedMajor,
} from "../../scripts/postgres-major";

/** The version of every cluster that is not given one of its own. */
export const serverMajor: SupportedMajor = chosenMajor() ?? NEWEST_MAJOR;

/**
 * For `describe.each` over behaviour that differs between versions: those
 * named, and in a run that is about one version (`npm run test:matrix`) that
 * one alone, named or not.
 */
export function testedMajors(
  ...majors: readonly SupportedMajor[]
): readonly SupportedMajor[] {
  const chosen = chosenMajor();
  return chosen ? [chosen] : majors;
}

/**
 * A test of something that begins with a version: below it, the test is listed
 * as skipped, with the reason in its name.
 */
export function testSince(
  major: SupportedMajor,
  what: string,
): (name: string, body: () => Promise<void>, timeoutMs?: number) => void {
  return (name, body, timeoutMs) => {
    if (serverMajor >= major) test(name, body, timeoutMs);
    else test.skip(`${name} (${what} begins with PostgreSQL ${major})`, body);
  };
}
