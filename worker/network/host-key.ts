/**
 * The jump host's key, pinned by SSH_HOST_KEY. Keys are compared by their
 * SHA-256 fingerprint, so that a key and its fingerprint are the same setting.
 */
import { createHash } from "node:crypto";
import { type KeyType, utils } from "ssh2";

/** The only key that the jump host may have. */
export interface HostKey {
  /** `SHA256:…` as OpenSSH prints it. */
  readonly fingerprint: string;
  /** Known when the key itself was given; it is then asked for first. */
  readonly type?: KeyType;
}

/** @returns undefined when it is neither a public key nor a fingerprint. */
export function parseHostKey(text: string): HostKey | undefined {
  const fingerprint = /^SHA256:[A-Za-z0-9+/]{43}(?==?$)/.exec(text)?.[0];
  if (fingerprint !== undefined) return { fingerprint };
  // `ssh-keyscan` puts the host before the key, `ssh-keygen` a comment after it.
  const match = /(?:^|\s)((?:ssh|ecdsa)-\S+)\s+(AAAA\S+)/.exec(text);
  if (!match) return undefined;
  const key = utils.parseKey(`${match[1]} ${match[2]}`);
  if (key instanceof Error || key.isPrivateKey()) return undefined;
  return { fingerprint: fingerprintOf(key.getPublicSSH()), type: key.type };
}

/** As OpenSSH prints it. */
export function fingerprintOf(publicKey: Buffer): string {
  const hash = createHash("sha256").update(publicKey).digest("base64");
  return `SHA256:${hash.replace(/=+$/, "")}`;
}
