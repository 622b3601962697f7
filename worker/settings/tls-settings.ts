/** The variables of TLS to one server: DB_SSL* or DEST_DB_SSL*. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { ConfigurationError } from "../errors";
import {
  type ClientCertificate,
  type SslMode,
  type TlsSettings,
  verifiesChain,
} from "../network/tls";
import type { ConnectionSettings } from "./settings";
import { codeOf, textOrFile } from "./text-or-file";
import type { VariableReader } from "./variable-reader";

type Prefix = ConnectionSettings["prefix"];

export function readTls(
  reader: VariableReader,
  prefix: Prefix,
  host: string,
): TlsSettings {
  const rootCertificates = readAuthorities(reader, prefix);
  const client = readClient(reader, prefix);
  const nameToVerify = `${prefix}_SSL_SERVERNAME` as const;
  const tls: TlsSettings = {
    mode: readSslMode(reader, prefix, host),
    serverName: reader.isSet(nameToVerify) ? reader.host(nameToVerify) : host,
    ...(rootCertificates === undefined ? {} : { rootCertificates }),
    ...(client === undefined ? {} : { client }),
  };
  if (reader.isSet(`${prefix}_SSLMODE`) && !isLocal(host)) {
    reader.warnings.push(...weaknesses(tls, prefix));
  }
  return tls;
}

/** What somebody on the way could do; a sentence or none. */
function weaknesses(tls: TlsSettings, prefix: Prefix): string[] {
  if (!verifiesChain(tls)) {
    return [
      `${prefix}_SSLMODE is ${tls.mode}: whoever is on the way can read ${prefix}_PASSWORD or pass for the server; use verify-full`,
    ];
  }
  // libpq refuses this together with sslrootcert=system.
  if (tls.mode === "verify-ca" && tls.rootCertificates === undefined) {
    return [
      `${prefix}_SSLMODE is verify-ca without ${prefix}_SSLROOTCERT: whoever has a certificate of any public authority, or a database on Amazon RDS, can pass for the server; use verify-full`,
    ];
  }
  return [];
}

function readSslMode(
  reader: VariableReader,
  prefix: Prefix,
  host: string,
): SslMode {
  const name = `${prefix}_SSLMODE` as const;
  const value = reader.optional(name);
  if (value === "prefer" || value === "allow") {
    reader.invalid(
      name,
      "disable, require, verify-ca, verify-full",
      `${value} gives up encryption when the server, or somebody in between, asks for it: use verify-full, or require if the server has no certificate that can be verified`,
    );
    return "verify-full";
  }
  return reader.choice(name, isLocal(host) ? "disable" : "verify-full");
}

/** Hosts that are reached without a network in between. */
function isLocal(host: string): boolean {
  return (
    ["localhost", "::1", "host.docker.internal"].includes(host) ||
    /^127\.\d+\.\d+\.\d+$/.test(host)
  );
}

function readAuthorities(
  reader: VariableReader,
  prefix: Prefix,
): TlsSettings["rootCertificates"] {
  const name = `${prefix}_SSLROOTCERT` as const;
  const value = reader.optional(name);
  if (value === undefined) return undefined;
  try {
    certificatesIn(value);
  } catch (error) {
    reader.invalid(
      name,
      "PEM certificates, or the path of a file that holds them",
      unusable(error),
    );
  }
  return () => readAgain(name, () => certificatesIn(value).text);
}

function readClient(
  reader: VariableReader,
  prefix: Prefix,
): TlsSettings["client"] {
  const certificateName = `${prefix}_SSLCERT` as const;
  const keyName = `${prefix}_SSLKEY` as const;
  const certificate = reader.optional(certificateName);
  const key = reader.optional(keyName);
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined) reader.missing(certificateName);
  if (key === undefined) reader.missing(keyName);
  if (certificate === undefined || key === undefined) return undefined;
  try {
    certificatesIn(certificate);
  } catch (error) {
    reader.invalid(
      certificateName,
      "a PEM certificate, or the path of a file that holds one",
      unusable(error),
    );
    return undefined;
  }
  try {
    clientCertificate(certificate, key);
  } catch (error) {
    reader.invalid(
      keyName,
      `the private key of the certificate in ${certificateName}, as PEM and not encrypted, or the path of a file that holds it`,
      unusable(error),
    );
  }
  return () =>
    readAgain(`${certificateName}, ${keyName}`, () =>
      clientCertificate(certificate, key),
    );
}

/** Of a worker that runs: files may be in the middle of being replaced. */
function readAgain<T>(names: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigurationError(
      [`${names}: cannot be used now: ${unusable(error)}`],
      { cause: error, isTls: true },
    );
  }
}

/** @throws what says why it cannot be used, and quotes nothing. */
function certificatesIn(value: string): {
  readonly text: string;
  readonly first: X509Certificate;
} {
  const text = textOrFile(value);
  const all =
    text.match(
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g,
    ) ?? [];
  const [first] = all.map((pem) => new X509Certificate(pem));
  if (first === undefined) throw new UnusableError("no certificate is in it");
  if (all.length < text.split("-----BEGIN CERTIFICATE-----").length - 1) {
    throw new UnusableError("a certificate in it is cut off");
  }
  // OpenSSL overlooks one that begins on the line on which another ends, as
  // where files without a last line break were put together.
  return { text: all.map((pem) => `${pem}\n`).join(""), first };
}

function clientCertificate(
  certificate: string,
  key: string,
): ClientCertificate {
  const { text, first } = certificatesIn(certificate);
  const keyText = textOrFile(key);
  if (/ENCRYPTED/.test(keyText)) {
    throw new UnusableError(
      "it is encrypted: `openssl pkey -in FILE` writes it without; whoever keeps the secret protects it",
    );
  }
  if (!first.checkPrivateKey(createPrivateKey(keyText))) {
    throw new UnusableError("it is the key of another certificate");
  }
  return { certificate: text, key: keyText };
}

class UnusableError extends Error {}

function unusable(error: unknown): string {
  return error instanceof UnusableError
    ? error.message
    : `check the path and the text (${codeOf(error)})`;
}
