/** What CDK Terrain makes of the same sources, beside what CDKTF makes. */

/** A source file with the packages' names of CDK Terrain. */
export function withCdktn(source: string): string {
  return source
    .replaceAll(/(["'])cdktf\1/g, "$1cdktn$1")
    .replaceAll(/(["'])@cdktf\//g, "$1@cdktn/");
}

/** Where two sets of synthesized stacks differ, a line each. */
export function differences(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): string[] {
  return compare(Object.fromEntries(before), Object.fromEntries(after), "");
}

/** Of the tool and of the provider, in every stack. */
const OF_VERSIONS =
  /^\.[^.]+\.(\/\/\.metadata\.version|terraform\.required_providers\.aws\.(source|version))$/;

function compare(before: unknown, after: unknown, path: string): string[] {
  if (OF_VERSIONS.test(path)) return [];
  if (!isObject(before) || !isObject(after)) {
    if (Object.is(before, after)) return [];
    return [`${path}: ${JSON.stringify(before)} is ${JSON.stringify(after)}`];
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) =>
    compare(before[key], after[key], `${path}.${key}`),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
