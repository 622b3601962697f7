/** Which major versions of PostgreSQL there are, and which one a run is about. */

import { UsageError } from "./command-line";

/** Those that the worker supports. */
export const SUPPORTED_MAJORS = [14, 15, 16, 17, 18] as const;
export type SupportedMajor = (typeof SUPPORTED_MAJORS)[number];

/** 13 is there to be refused. */
export type PostgresMajor = 13 | SupportedMajor;

export const NEWEST_MAJOR = 18 satisfies SupportedMajor;

/** Set by `npm run test:matrix`: the version of every cluster without its own. */
export const MAJOR_VARIABLE = "POSTGRES_MAJOR";

/**
 * The version that this run is about, if it is about one.
 *
 * @throws UsageError when there is no such version
 */
export function chosenMajor(
  value = process.env[MAJOR_VARIABLE],
): SupportedMajor | undefined {
  if (value === undefined || value === "") return undefined;
  const major = SUPPORTED_MAJORS.find((known) => String(known) === value);
  if (major) return major;
  throw new UsageError(
    `${MAJOR_VARIABLE} is ${JSON.stringify(value)}; allowed are ${SUPPORTED_MAJORS.join(", ")}, or leave it unset for ${NEWEST_MAJOR}.`,
  );
}
