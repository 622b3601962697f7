/** What becomes of a key pair, from what is in its secret and in the file. */
import type { KeyPair } from "./key-pair";

export interface KeyState {
  /** Of AWSCURRENT; "unreadable" is a value that is no such pair. */
  readonly stored: KeyPair | "none" | "unreadable";
  /** The stored pair's public half, as the file would have it. */
  readonly storedPublicKey?: string;
  readonly inFile: string | undefined;
}

export type Decision =
  /** Both sides have it. */
  | { readonly action: "keep" }
  /** The secret has it, the file does not, or has another one. */
  | { readonly action: "record" }
  | { readonly action: "make" }
  | { readonly action: "refuse"; readonly reason: string };

export function decide(state: KeyState, rotate: boolean): Decision {
  const { stored, storedPublicKey, inFile } = state;
  if (rotate) return { action: "make" };
  if (stored === "unreadable") {
    return {
      action: "refuse",
      reason:
        "its value is no key pair ({privateKey, publicKey, createdAt}, of the kind that belongs there, with halves that belong together), and may be in use: look at it, roll back to the one before (--rollback), or replace it on purpose (--rotate)",
    };
  }
  if (stored === "none" && inFile !== undefined) {
    return {
      action: "refuse",
      reason: `it has no value, but the file has a public key (${inFile}), whose private half may be in use elsewhere: put that half into the secret, or, if nobody uses it, remove the field from the file, or make a new pair on purpose (--rotate)`,
    };
  }
  if (stored === "none") return { action: "make" };
  return { action: storedPublicKey === inFile ? "keep" : "record" };
}
