/** What is wrong with one field of an environment file. */
export interface Problem {
  /** As in `worker.network.cidr`; of the whole file empty. */
  readonly path: string;
  /** What was got, what is allowed, and what to change. */
  readonly message: string;
}

/** `source.subnetCidrs[0]`, of keys and indexes. */
export function pathOf(parts: readonly PropertyKey[]): string {
  return parts.reduce<string>(
    (path, part) =>
      typeof part === "number"
        ? `${path}[${part}]`
        : `${path}${path ? "." : ""}${String(part)}`,
    "",
  );
}

/**
 * A value as it may be printed: short, and not when it is a private key or has
 * a password in it, because people put secrets where they do not belong.
 */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value !== "string") return String(value);
  if (value.includes("PRIVATE KEY")) return "a value that is not shown";
  const text = value.replace(/^.*@/s, "…@");
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 99)}…` : text);
}
