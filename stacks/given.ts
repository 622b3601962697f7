/**
 * What the rules of an environment file, or the foundation, have seen to.
 *
 * @param what - names it, should that not be so
 */
export function given<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}
