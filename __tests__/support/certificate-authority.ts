/**
 * An authority that signs certificates as a test needs them: for names and
 * addresses, of yesterday or tomorrow. X.509 version 3, ECDSA on P-256.
 */
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { isIPv4 } from "node:net";

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** subjectAltName; without any, the certificate has none. */
  readonly names?: readonly string[];
  /** IPv4. */
  readonly addresses?: readonly string[];
  /** @default a day ago */
  readonly from?: Date;
  /** @default in a day */
  readonly to?: Date;
  /** Of the signature. @default "sha256" */
  readonly digest?: "sha1" | "sha256";
}

const DAY_MS = 86_400_000;
export const daysFromNow = (days: number) =>
  new Date(Date.now() + days * DAY_MS);

export class CertificateAuthority {
  /** PEM, signed by itself. */
  readonly certificate: string;
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });

  constructor(readonly name: string) {
    this.certificate = this.#signed(
      { commonName: name, to: daysFromNow(30) },
      this.#keys.publicKey,
      true,
    );
  }

  issue(request: CertificateRequest): Certificate {
    const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return {
      certificate: this.#signed(request, keys.publicKey, false),
      key: String(keys.privateKey.export({ type: "pkcs8", format: "pem" })),
    };
  }

  #signed(
    request: CertificateRequest,
    publicKey: KeyObject,
    isAuthority: boolean,
  ): string {
    const { from = daysFromNow(-1), to = daysFromNow(1) } = request;
    const { digest = "sha256" } = request;
    const info = sequence(
      tagged(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      ECDSA_WITH[digest],
      nameOf(this.name),
      sequence(time(from), time(to)),
      nameOf(request.commonName),
      publicKey.export({ type: "spki", format: "der" }),
      tagged(0xa3, sequence(...extensions(request, publicKey, isAuthority))),
    );
    const signature = sign(digest, info, this.#keys.privateKey);
    return pem(sequence(info, ECDSA_WITH[digest], bitString(signature)));
  }
}

function extensions(
  { names = [], addresses = [] }: CertificateRequest,
  publicKey: KeyObject,
  isAuthority: boolean,
): Buffer[] {
  const spki = publicKey.export({ type: "spki", format: "der" });
  const keyId = createHash("sha1").update(spki).digest();
  const alternatives = [
    ...names.map((name) => tagged(0x82, Buffer.from(name))),
    ...addresses.map((address) => tagged(0x87, ipv4(address))),
  ];
  return [
    extension("551d13", sequence(...(isAuthority ? [TRUE] : []))),
    extension("551d0e", tagged(0x04, keyId)),
    ...(alternatives.length > 0
      ? [extension("551d11", sequence(...alternatives))]
      : []),
  ];
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(tagged(0x06, Buffer.from(id, "hex")), tagged(0x04, value));
}

function ipv4(address: string): Buffer {
  if (!isIPv4(address)) throw new Error(`not an IPv4 address: ${address}`);
  return Buffer.from(address.split(".").map(Number));
}

function nameOf(commonName: string): Buffer {
  const id = tagged(0x06, Buffer.from("550403", "hex"));
  const text = tagged(0x0c, Buffer.from(commonName));
  return sequence(tagged(0x31, sequence(id, text)));
}

/** GeneralizedTime: the other form ends with the year 2049. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-T:]|\.\d+/g, "");
  return tagged(0x18, Buffer.from(digits));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function tagged(tag: number, content: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([tag, ...length(content.length)]),
    content,
  ]);
}

function length(bytes: number): number[] {
  if (bytes < 0x80) return [bytes];
  return bytes < 0x100 ? [0x81, bytes] : [0x82, bytes >> 8, bytes & 0xff];
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const ECDSA_WITH = {
  sha1: sequence(tagged(0x06, Buffer.from("2a8648ce3d0401", "hex"))),
  sha256: sequence(tagged(0x06, Buffer.from("2a8648ce3d040302", "hex"))),
};
