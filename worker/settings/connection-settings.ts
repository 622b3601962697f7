/** The variables of one database connection: DB_* or DEST_DB_*. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type SslMode, type TlsSettings, verifiesChain } from "../network/tls";
import type { ConnectionSettings } from "./settings";
import { codeOf, textOrFile } from "./text-or-file";
import type { VariableReader } from "./variable-reader";

type Prefix = ConnectionSettings["prefix"];

export function readConnection(
  reader: VariableReader,
  prefix: Prefix,
): ConnectionSettings {
  const host = reader.host(`${prefix}_HOST`);
  return {
    prefix,
    host,
    port: reader.integer(`${prefix}_PORT`),
    database: reader.name(`${prefix}_NAME`),
    user: reader.name(`${prefix}_USER`),
    password: readPassword(reader, prefix),
    tls: readTls(reader, prefix, host),
  };
}

/**
 * The password is behind a function for two reasons: a rotated file is read
 * anew at the next connection (H27), and a function prints nothing.
 */
function readPassword(
  reader: VariableReader,
  prefix: Prefix,
): () => Promise<string> {
  const fileName = `${prefix}_PASSWORD_FILE` as const;
  const path = reader.optional(fileName);
  if (path === undefined) {
    const password = reader.text(`${prefix}_PASSWORD`);
    return async () => password;
  }
  const allowed = "the path of a readable file that holds the password";
  try {
    if (firstLine(readFileSync(path, "utf8")) === "") {
      reader.invalid(fileName, allowed, "the file is empty: fill it");
    }
  } catch (error) {
    reader.invalid(fileName, allowed, `check the path (${codeOf(error)})`);
  }
  return async () => {
    const password = await readFile(path, "utf8").catch((error: unknown) => {
      throw new Error(
        `${fileName}: cannot read the password's file (${codeOf(error)})`,
        { cause: error },
      );
    });
    return firstLine(password);
  };
}

/** Editors and `echo` end a file with a line break that is no password. */
function firstLine(text: string): string {
  return text.replace(/\r?\n$/, "");
}

function readTls(
  reader: VariableReader,
  prefix: Prefix,
  host: string,
): TlsSettings {
  const rootCertificates = readCertificates(reader, prefix);
  const nameToVerify = `${prefix}_SSL_SERVERNAME` as const;
  const tls: TlsSettings = {
    mode: readSslMode(reader, prefix, host),
    serverName: reader.isSet(nameToVerify) ? reader.host(nameToVerify) : host,
    ...(rootCertificates === undefined ? {} : { rootCertificates }),
  };
  const isExplicit = reader.isSet(`${prefix}_SSLMODE`);
  if (isExplicit && !isLocal(host) && !verifiesChain(tls)) {
    reader.warnings.push(
      `${prefix}_SSLMODE is ${tls.mode}: whoever is on the way can read ${prefix}_PASSWORD or pass for the server; use verify-full`,
    );
  }
  return tls;
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

function readCertificates(
  reader: VariableReader,
  prefix: Prefix,
): string | undefined {
  const name = `${prefix}_SSLROOTCERT` as const;
  const value = reader.optional(name);
  if (value === undefined) return undefined;
  const allowed = "PEM certificates, or the path of a file that holds them";
  try {
    const pem = textOrFile(value);
    const certificates =
      pem.match(
        /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g,
      ) ?? [];
    for (const certificate of certificates) new X509Certificate(certificate);
    if (certificates.length > 0) return pem;
    reader.invalid(name, allowed, "there is no certificate in it");
  } catch (error) {
    reader.invalid(
      name,
      allowed,
      `check the path and the text (${codeOf(error)})`,
    );
  }
  return undefined;
}
