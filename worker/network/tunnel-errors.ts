/**
 * What goes wrong with a tunnel, in words, and who has to do something. What a
 * restart or the next attempt can heal keeps its errno.
 */
import { OperatorError, UnreachableError } from "../errors";
import type { SshSettings } from "./tunnel";

/** Why the jump host could not be connected to. */
export function handshakeError(
  ssh: SshSettings,
  { error, presented }: { error: unknown; presented: string | undefined },
): Error {
  const host = `${ssh.host}:${ssh.port}`;
  const cause = causeOf(error);
  const message = String(propertyOf(cause, "message") ?? cause);
  if (presented !== undefined && presented !== ssh.hostKey.fingerprint) {
    return new OperatorError(
      `the SSH host ${host} has the key ${presented}, not ${ssh.hostKey.fingerprint} as SSH_HOST_KEY says`,
      `${ssh.hostKey.type === undefined ? OTHER_KIND : ""}find out whether the host was replaced, or whether this is another host in its place; only then set SSH_HOST_KEY to the new key`,
      { cause },
    );
  }
  if (hasProperty(cause, "level", "client-authentication")) {
    return new OperatorError(
      `the SSH host ${host} refuses the key of user ${ssh.user}`,
      `add the public half of SSH_PRIVATE_KEY to ~${ssh.user}/.ssh/authorized_keys on the host, or correct SSH_USER; where it is there already, the log of the host's sshd says why (AllowUsers, from=, file modes, a second factor)`,
      { cause },
    );
  }
  const missing = /no matching (?:C->S |S->C )?(.*)/i.exec(message)?.[1];
  if (missing !== undefined) {
    return new OperatorError(
      `the SSH host ${host} and the worker have no ${missing} in common`,
      "allow another one in the host's sshd_config: KexAlgorithms curve25519-sha256, HostKeyAlgorithms ssh-ed25519, Ciphers aes128-gcm@openssh.com and MACs hmac-sha2-256-etm@openssh.com are among those that the worker knows",
      { cause },
    );
  }
  const hangsUp = presented === undefined && HANGS_UP.test(message);
  const why = hangsUp ? HUNG_UP : (SAID_BETTER.get(message) ?? message);
  return unreachable(
    `cannot connect to the SSH host ${host}: ${why}: ${WAY_THERE}`,
    cause,
  );
}

/** Why an open tunnel has ended. */
export function lostConnection(
  host: string,
  reason: Error | undefined,
): UnreachableError {
  const why = reason?.message ?? "the host closed it";
  return unreachable(`the SSH connection to ${host} was lost: ${why}`, reason);
}

/** Why the jump host did not connect us to the database. */
export function refusedForward(
  target: string,
  host: string,
  error: Error,
): Error {
  const reason = propertyOf(error, "reason");
  if (reason === undefined) return lostConnection(host, error);
  if (reason === ADMINISTRATIVELY_PROHIBITED) {
    return new OperatorError(
      `the SSH host ${host} does not allow connections to ${target}`,
      "allow it in the host's sshd_config (AllowTcpForwarding, PermitOpen) and authorized_keys (permitopen, no-port-forwarding); names are compared as they are written",
      { cause: error },
    );
  }
  return Object.assign(
    new UnreachableError(
      `the SSH host ${host} cannot connect to ${target}: ${error.message.replace(PREFIX, "")}: ${FAR_WAY}`,
      { cause: error },
    ),
    { code: reason === CONNECT_FAILED ? "ECONNREFUSED" : "ECONNRESET" },
  );
}

/**
 * Of a connection that was open. The end is a reset where the host did not read
 * what we had sent by then: chance decides which of them is seen.
 */
const HANGS_UP =
  /^(Connection lost before handshake|read ECONNRESET|write (ECONNRESET|EPIPE))$/;
const HUNG_UP =
  "it hung up at once; there is no SSH server, or it takes no more connections (MaxStartups)";
/** A fingerprint does not say of which kind of key it is, to ask for that. */
const OTHER_KIND =
  "a host has a key of each kind, and the first of Ed25519, ECDSA and RSA is looked at: if this fingerprint is of another one, set SSH_HOST_KEY to that key itself, as ssh-keyscan prints it; otherwise ";
/** What ssh2 says of hosts that say nothing. */
const SAID_BETTER: ReadonlyMap<string, string> = new Map([
  [
    "Timed out while waiting for handshake",
    "it does not answer as an SSH server",
  ],
]);
const WAY_THERE =
  "check SSH_HOST and SSH_PORT, that sshd runs, and the way to it: security groups, routes";
const FAR_WAY =
  "check DB_HOST and DB_PORT as the jump host sees them, that the server runs, and the way from the one to the other: security groups, routes";

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE, RFC 4254, section 5.1. */
const ADMINISTRATIVELY_PROHIBITED = 1;
const CONNECT_FAILED = 2;

/** What ssh2 puts before the host's own words. */
const PREFIX = /^\(SSH\) Channel open failure: /;

/** Of an attempt that failed, also by the end of the connection. */
function causeOf(error: unknown): unknown {
  return error instanceof UnreachableError && error.cause ? error.cause : error;
}

/** Callers may decide by errno, as they do for a connection without a tunnel. */
function unreachable(message: string, cause: unknown): UnreachableError {
  const code = propertyOf(cause, "code");
  const errno = hasProperty(cause, "level", "client-timeout")
    ? "ETIMEDOUT"
    : "ECONNRESET";
  return Object.assign(new UnreachableError(message, { cause }), {
    code: typeof code === "string" ? code : errno,
  });
}

function hasProperty(error: unknown, name: string, value: unknown): boolean {
  return propertyOf(error, name) === value;
}

/** ssh2's errors have properties that its types do not know. */
function propertyOf(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null
    ? Reflect.get(error, name)
    : undefined;
}
