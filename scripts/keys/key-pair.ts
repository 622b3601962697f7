/** A key pair as it is kept in Secrets Manager. */

/** One line of compact JSON with these fields, in this order. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** A kind of key: how one is made, and how one that is there is understood. */
export interface KeyKind {
  generate(comment: string): Pick<KeyPair, "privateKey" | "publicKey">;
  /**
   * The public half, made from the private one.
   * @returns undefined when that is no private key of this kind
   */
  publicKeyOf(privateKey: string): string | undefined;
  /** The public half as the environment's file has it. */
  inFile(publicKey: string): string;
}

export function writeKeyPair(pair: KeyPair): string {
  const { privateKey, publicKey, createdAt } = pair;
  return JSON.stringify({ privateKey, publicKey, createdAt });
}

/**
 * @returns undefined when the text is none, or its halves do not belong
 *   together. It says no more: a message made from the text could hold the key.
 */
export function readKeyPair(kind: KeyKind, text: string): KeyPair | undefined {
  const value = parse(text);
  if (typeof value !== "object" || value === null) return undefined;
  const { privateKey, publicKey, createdAt } = value as Partial<
    Record<string, unknown>
  >;
  if (typeof privateKey !== "string" || typeof publicKey !== "string") {
    return undefined;
  }
  const derived = kind.publicKeyOf(privateKey);
  if (derived === undefined || derived !== kind.inFile(publicKey)) {
    return undefined;
  }
  return { privateKey, publicKey, createdAt: String(createdAt ?? "") };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
