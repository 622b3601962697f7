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
  const problem = key === "" ? undefined : problemOf(key, passphrase);
  if (problem !== undefined) {
    reader.invalid(
      "SSH_PRIVATE_KEY",
      "an OpenSSH or PEM private key, or the path of a file that holds one",
      problem,
    );
  }
  return async () => ({
    privateKey: textOrFile(key),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
}

function problemOf(
  key: string,
  passphrase: string | undefined,
): string | undefined {
  try {
    return privateKeyProblem(textOrFile(key), passphrase);
  } catch (error) {
    return `check the path (${codeOf(error)})`;
  }
}
