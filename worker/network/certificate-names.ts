/** Whether a server's certificate is for the name that was meant, as libpq says. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/**
 * For Node's `checkServerIdentity`. Names are those of the certificate's
 * subjectAltName and, only where it has no DNS name there, its common name. A
 * `*` in the first label does not reach past the dot.
 *
 * Addresses are compared with its addresses. Unlike Node, and like libpq, also
 * with DNS names and, without any subjectAltName, the common name: certificates
 * made by hand often have an address there.
 *
 * @returns the error that ends the handshake, or undefined
 */
export function isNamed(
  name: string,
  certificate: PeerCertificate,
): Error | undefined {
  const error = checkServerIdentity(name, certificate);
  if (!error || isIP(name) === 0) return error;
  const own = new X509Certificate(certificate.raw);
  const match = own.checkHost(name, {
    wildcards: false,
    subject: own.subjectAltName === undefined ? "default" : "never",
  });
  return match === undefined ? error : undefined;
}
