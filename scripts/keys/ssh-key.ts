/**
 * Key pairs for SSH (Ed25519), in OpenSSH's own format: ssh2 reads no other one
 * of Ed25519. https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { utils } from "ssh2";
import type { KeyKind } from "./key-pair";

export const sshKey: KeyKind = {
  generate(comment) {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    // Not as JWK: that export blocks for ever in Node 20 when memory is collected.
    const seed = privateKey
      .export({ format: "der", type: "pkcs8" })
      .subarray(-KEY_BYTES);
    const point = publicKey
      .export({ format: "der", type: "spki" })
      .subarray(-KEY_BYTES);
    return {
      privateKey: renderPrivateKey({ seed, point, comment }),
      publicKey: `${renderPublicKey(publicBlob(point))} ${comment}`,
    };
  },
  publicKeyOf,
  inFile: (publicKey) => publicKey.split(" ").slice(0, 2).join(" "),
};

const TYPE = "ssh-ed25519";
const KEY_BYTES = 32;
/** Of "none", the cipher of a key without a passphrase. */
const BLOCK_BYTES = 8;
const LINE_CHARACTERS = 70;

function renderPublicKey(blob: Buffer): string {
  return `${TYPE} ${blob.toString("base64")}`;
}

function publicBlob(point: Buffer): Buffer {
  return Buffer.concat([field(TYPE), field(point)]);
}

function renderPrivateKey({
  seed,
  point,
  comment,
}: {
  readonly seed: Buffer;
  readonly point: Buffer;
  readonly comment: string;
}): string {
  // Twice the same: how a reader knows that it has decrypted it.
  const check = randomBytes(4);
  const key = Buffer.concat([
    ...[check, check, publicBlob(point)],
    field(Buffer.concat([seed, point])),
    field(comment),
  ]);
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    ...[field("none"), field("none"), field("")],
    length(1),
    field(publicBlob(point)),
    field(padded(key)),
  ]);
  const lines = file
    .toString("base64")
    .match(new RegExp(`.{1,${LINE_CHARACTERS}}`, "g"));
  return [
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    ...(lines ?? []),
    "-----END OPENSSH PRIVATE KEY-----",
    "",
  ].join("\n");
}

/** Filled up to whole blocks with 1, 2, 3, … */
function padded(key: Buffer): Buffer {
  const missing = (BLOCK_BYTES - (key.length % BLOCK_BYTES)) % BLOCK_BYTES;
  return Buffer.concat([
    key,
    Buffer.from(Array.from({ length: missing }, (_, index) => index + 1)),
  ]);
}

function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([length(bytes.length), bytes]);
}

function length(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function publicKeyOf(privateKey: string): string | undefined {
  const key = utils.parseKey(privateKey);
  if (key instanceof Error || key.type !== TYPE || !key.isPrivateKey()) {
    return undefined;
  }
  return renderPublicKey(key.getPublicSSH());
}
