/**
 * What goes wrong with a tunnel, in words, and who has to do something. The
 * errors that a restart or the next attempt can heal keep their errno.
 */
import { OperatorError } from "../errors";
import type { SshSettings } from "./tunnel";

/** Why the jump host could not be connected to. */
export function handshakeError(
  ssh: SshSettings,
  { error, presented }: { error: unknown; presented: string | undefined },
): Error {
  const host = `${ssh.host}:${ssh.port}`;
  if (presented !== undefined && presented !== ssh.hostKey.fingerprint) {
    return new OperatorError(
      `the SSH host ${host} has the key ${presented}, not ${ssh.hostKey.fingerprint} as SSH_HOST_KEY says`,
      "find out whether the host was replaced, or whether this is another host in its place; only then set SSH_HOST_KEY to the new key",
      { cause: error },
    );
  }
  if (hasProperty(error, "level", "client-authentication")) {
    return new OperatorError(
      `the SSH host ${host} refuses the key of user ${ssh.user}`,
      `add the public half of SSH_PRIVATE_KEY to ~${ssh.user}/.ssh/authorized_keys on the host, or correct SSH_USER`,
      { cause: error },
    );
  }
  return withCode(
    new Error(`cannot connect to the SSH host ${host}: ${messageOf(error)}`, {
      cause: error,
    }),
    codeOf(error),
  );
}

/** Why the jump host did not connect us to the database. */
export function refusedForward(
  target: string,
  host: string,
  error: Error,
): Error {
  if (hasProperty(error, "reason", ADMINISTRATIVELY_PROHIBITED)) {
    return new OperatorError(
      `the SSH host ${host} does not allow connections to ${target}`,
      "allow it in the host's sshd_config (AllowTcpForwarding, PermitOpen) and authorized_keys (permitopen, no-port-forwarding)",
      { cause: error },
    );
  }
  const isRefused = hasProperty(error, "reason", CONNECT_FAILED);
  return withCode(
    new Error(
      `the SSH host ${host} cannot connect to ${target}: ${error.message}`,
      { cause: error },
    ),
    isRefused ? "ECONNREFUSED" : "ECONNRESET",
  );
}

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE, RFC 4254, section 5.1. */
const ADMINISTRATIVELY_PROHIBITED = 1;
const CONNECT_FAILED = 2;

/** Callers decide by errno, as they do for a connection without a tunnel. */
function withCode(error: Error, code: string): Error {
  return Object.assign(error, { code });
}

function codeOf(error: unknown): string {
  if (hasProperty(error, "level", "client-timeout")) return "ETIMEDOUT";
  const code = propertyOf(error, "code");
  return typeof code === "string" ? code : "ECONNRESET";
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

function messageOf(error: unknown): string {
  return String(propertyOf(error, "message") ?? error);
}
