/** Variables that hold a PEM text or, as well, the path of a file with one. */
import { readFileSync } from "node:fs";

/**
 * The text itself, or the file's. Line breaks that an env file or a secret
 * store has turned into `\n` are put back.
 *
 * @throws what reading the file throws.
 */
export function textOrFile(value: string): string {
  if (!isKeyText(value)) return readFileSync(value, "utf8");
  return value.includes("\n") ? value : value.replaceAll("\\n", "\n");
}

/** Whether this is the text, not a path. */
function isKeyText(value: string): boolean {
  return (
    value.includes("-----BEGIN") ||
    value.startsWith("PuTTY-User-Key") ||
    // A public key, which is told apart from a private one elsewhere.
    /^\s*\S+ AAAA/.test(value)
  );
}

/** What an operator can look up: ENOENT, EACCES, ERR_OSSL_…, and no text. */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error
    ? String(error.code)
    : "unknown error";
}
