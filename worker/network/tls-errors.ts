/**
 * What a failed TLS handshake means: whose certificate is refused by whom, and
 * for what. By the codes of Node.js and OpenSSL.
 */
import { types } from "node:util";
import type { ConnectTarget, Explanation } from "./connect-errors";

/** Undefined: `code` is not about TLS. */
export function tlsRefusal(
  error: unknown,
  code: string,
  tls: ConnectTarget["tls"],
): Explanation | undefined {
  if (code === "CERT_HAS_EXPIRED") return outOfTime("has expired");
  if (code === "CERT_NOT_YET_VALID") return outOfTime("is not valid yet");
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return misnamed(error, tls);
  if (UNTRUSTED_CODES.has(code)) return untrusted(tls);
  if (UNVERIFIABLE_CODES.has(code)) return unverifiable(error);
  const alert = CLIENT_ALERTS.get(alertOf(code));
  if (alert && tls.client !== undefined) return refusedClient(alert);
  if (alert === NOT_SHOWN) return NEEDS_CLIENT;
  return /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$)/.test(code)
    ? BROKEN
    : undefined;
}

/** Nothing in the configuration makes such a certificate good. */
function outOfTime(how: string): Explanation {
  return {
    verdict: "operator",
    isTls: true,
    what: `shows a TLS certificate that ${how} (its own, or one of its authorities')`,
    remedy:
      "renew the server's certificate and reload the server (SELECT pg_reload_conf()), and see that the clock is right here",
  };
}

function misnamed(error: unknown, tls: ConnectTarget["tls"]): Explanation {
  const names = namesOf(error);
  return {
    verdict: "configuration",
    isTls: true,
    what: `shows a TLS certificate that is not for ${JSON.stringify(tls.serverName)}${names ? ` but for ${names}` : ""}`,
    remedy:
      "correct <prefix>_HOST if this is another server than the one meant; through a tunnel or by address, set <prefix>_SSL_SERVERNAME to the name that the certificate is for",
  };
}

/** What the certificate is for; a server may write anything there. */
function namesOf(error: unknown): string {
  const { cert } = error as {
    cert?: { subjectaltname?: string; subject?: { CN?: unknown } };
  };
  const text = cert?.subjectaltname ?? String(cert?.subject?.CN ?? "");
  const printable = text.replace(/[^\x20-\x7e]/g, "?");
  return printable.length > 200 ? `${printable.slice(0, 199)}…` : printable;
}

function untrusted(tls: ConnectTarget["tls"]): Explanation {
  return {
    verdict: "configuration",
    isTls: true,
    what: "shows a TLS certificate of an authority that is not trusted",
    remedy:
      tls.rootCertificates === undefined
        ? "set <prefix>_SSLROOTCERT to the certificate of the authority that signed it; without it, public authorities and Amazon RDS's are trusted"
        : "<prefix>_SSLROOTCERT, the only authorities that are trusted, lacks the one that signed it: add that, unless this is another server than the one meant",
  };
}

/** The signature is that of another key under the authority's name, too. */
const UNTRUSTED_CODES: ReadonlySet<string> = new Set([
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

const UNVERIFIABLE_CODES: ReadonlySet<string> = new Set([
  "CERT_CHAIN_TOO_LONG",
  "CERT_REJECTED",
  "CERT_REVOKED",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNSPECIFIED",
]);

/** OpenSSL's words are its own, and quote nothing of the certificate. */
function unverifiable(error: unknown): Explanation {
  const words = types.isNativeError(error) ? `: ${error.message}` : "";
  return {
    verdict: "operator",
    isTls: true,
    what: `shows a TLS certificate that cannot be verified${words}`,
    remedy:
      "give the server a certificate that is made for servers, and signed by an authority that may sign, with SHA-256 and keys of today's length",
  };
}

const NOT_SHOWN = "none is shown";

/** What the server says of ours, and in TLS 1.3 only after the handshake. */
const CLIENT_ALERTS: ReadonlyMap<string, string> = new Map([
  ["UNKNOWN_CA", "it does not trust its authority"],
  ["CERTIFICATE_EXPIRED", "it has expired"],
  ["CERTIFICATE_REVOKED", "it is revoked"],
  ["CERTIFICATE_UNKNOWN", "it is not valid there"],
  ["BAD_CERTIFICATE", "it is not valid there"],
  ["UNSUPPORTED_CERTIFICATE", "not one for clients"],
  ["DECRYPT_ERROR", "its signature is wrong"],
  ["CERTIFICATE_REQUIRED", NOT_SHOWN],
]);

/**
 * What precedes an alert's name is OpenSSL's: ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE
 * up to 3.0 (Node 20), ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE since (Node 24).
 */
function alertOf(code: string): string {
  return /^ERR_SSL_.*_ALERT_(\w+)$/.exec(code)?.[1] ?? "";
}

function refusedClient(why: string): Explanation {
  return {
    verdict: "configuration",
    isTls: true,
    what: `does not accept the client certificate in <prefix>_SSLCERT: ${why}`,
    remedy:
      "take one that an authority of the server's ssl_ca_file has signed, with all certificates in between, and its own <prefix>_SSLKEY",
  };
}

const NEEDS_CLIENT: Explanation = {
  verdict: "configuration",
  isTls: true,
  what: "agrees on no TLS connection, and may ask for a client certificate",
  remedy: "set <prefix>_SSLCERT and <prefix>_SSLKEY",
};

const BROKEN: Explanation = {
  verdict: "configuration",
  isTls: true,
  what: "and the worker agree on no TLS connection",
  remedy:
    "check that <prefix>_HOST and <prefix>_PORT are PostgreSQL's and its TLS versions are 1.2 or later",
};
