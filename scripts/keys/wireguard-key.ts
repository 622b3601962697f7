/** Key pairs of WireGuard (X25519), as `wg genkey` and `wg pubkey` make them. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
} from "node:crypto";
import type { KeyKind } from "./key-pair";

export const wireguardKey: KeyKind = {
  generate() {
    const privateKey = clamp(scalar()).toString("base64");
    const publicKey = publicKeyOf(privateKey);
    if (!publicKey) throw new Error("node:crypto made no X25519 key");
    return { privateKey, publicKey };
  },
  publicKeyOf,
  inFile: (publicKey) => publicKey,
};

const KEY_BYTES = 32;

/** PrivateKeyInfo of X25519 up to the key itself (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");

/** Not as JWK: that export blocks for ever in Node 20 when memory is collected. */
function scalar(): Buffer {
  const { privateKey } = generateKeyPairSync("x25519");
  return privateKey
    .export({ format: "der", type: "pkcs8" })
    .subarray(-KEY_BYTES);
}

/**
 * The bits that X25519 sets in any case: with them set the text is the one that
 * `wg show` prints, and no reader of it has to know.
 */
function clamp(key: Buffer): Buffer {
  const clamped = Buffer.from(key);
  clamped.writeUInt8(key.readUInt8(0) & 248, 0);
  clamped.writeUInt8((key.readUInt8(31) & 127) | 64, 31);
  return clamped;
}

function publicKeyOf(privateKey: string): string | undefined {
  const bytes = Buffer.from(privateKey, "base64");
  // Node leaves out what is no base64; wg does not.
  if (bytes.length !== KEY_BYTES || bytes.toString("base64") !== privateKey) {
    return undefined;
  }
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, bytes]),
    format: "der",
    type: "pkcs8",
  });
  const point = createPublicKey(key).export({ format: "der", type: "spki" });
  return point.subarray(-KEY_BYTES).toString("base64");
}
