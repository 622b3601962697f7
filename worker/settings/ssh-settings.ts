/** The variables of the jump host: SSH_*. */
import type { WorkerVariableName } from "../../config/worker-variables";
import { type HostKey, parseHostKey } from "../network/host-key";
import type { SshSettings } from "../network/tunnel";
import { privateKeyProblem } from "./private-key";
import { codeOf, textOrFile } from "./text-or-file";
import type { VariableReader } from "./variable-reader";

const names = [
  "SSH_PORT",
  "SSH_USER",
  "SSH_PRIVATE_KEY",
  "SSH_PASSPHRASE",
  "SSH_HOST_KEY",
] as const satisfies readonly WorkerVariableName[];

/** @returns undefined without SSH_HOST: the source is reached directly. */
export function readSsh(reader: VariableReader): SshSettings | undefined {
  if (!reader.isSet("SSH_HOST")) {
    for (const name of names.filter((each) => reader.isSet(each))) {
      reader.problems.push(
        `${name}: set without SSH_HOST; set SSH_HOST to the jump host, or unset ${name}`,
      );
    }
    return undefined;
  }
  return {
    host: reader.host("SSH_HOST"),
    port: reader.integer("SSH_PORT"),
    user: reader.name("SSH_USER"),
    hostKey: readHostKey(reader),
    credentials: readCredentials(reader),
  };
}

function readHostKey(reader: VariableReader): HostKey {
  const text = reader.text("SSH_HOST_KEY").trim();
  const hostKey = parseHostKey(text);
  if (!hostKey && text !== "") {
    reader.invalid(
      "SSH_HOST_KEY",
      "a public key, ssh-ed25519 AAAA…, or a fingerprint, SHA256:…",
      "take what `ssh-keyscan -t ed25519 HOST` prints, and compare it with the host's own",
    );
  }
  return hostKey ?? { fingerprint: "" };
}

function readCredentials(reader: VariableReader): SshSettings["credentials"] {
  const key = reader.text("SSH_PRIVATE_KEY");
  const passphrase = reader.optional("SSH_PASSPHRASE");
  const { problem } = key === "" ? {} : readKey(key, passphrase);
  if (problem !== undefined) {
    reader.invalid(
      "SSH_PRIVATE_KEY",
      "an OpenSSH or PEM private key, or the path of a file that holds one",
      problem,
    );
  }
  return async () => {
    // Of a worker that runs: whoever writes the file may not be done yet. ssh2
    // would log in with no key at all, and the host be blamed for refusing it.
    const now = readKey(key, passphrase);
    if (now.problem !== undefined) {
      throw new Error(`SSH_PRIVATE_KEY: cannot be used now: ${now.problem}`);
    }
    const { privateKey } = now;
    return { privateKey, ...(passphrase === undefined ? {} : { passphrase }) };
  };
}

type Key =
  | { readonly privateKey: string; readonly problem?: undefined }
  | { readonly problem: string };

function readKey(key: string, passphrase: string | undefined): Key {
  try {
    const privateKey = textOrFile(key);
    const problem = privateKeyProblem(privateKey, passphrase);
    return problem === undefined ? { privateKey } : { problem };
  } catch (error) {
    const problem = BASE64_OF_KEY.test(key)
      ? "this is a key in base64: give the key itself, which begins with -----BEGIN"
      : `check the path (${codeOf(error)})`;
    return { problem };
  }
}

/** Of "-----BEGIN", which nobody takes for a path. */
const BASE64_OF_KEY = /^\s*LS0tLS1CRUdJTi/;
