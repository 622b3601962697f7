/** What a jump host of one's own needs on disk: keys, sshd_config, its log. */
import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyPair } from "../keys/key-pair";
import { type Owner, own } from "../unprivileged-owner";

/** Lines of sshd_config. */
export type SshdConfig = Readonly<Record<string, string | number>>;

/** In OpenSSH's format. */
export type SshKeyPair = Pick<KeyPair, "privateKey" | "publicKey">;

export interface SshdFolder {
  readonly path: string;
  readonly configFile: string;
  readonly logFile: string;
}

/** @returns files that belong to `owner`, and the folder around them. */
export async function createSshdFolder(
  owner: Owner,
  contents: {
    readonly port: number;
    readonly config: SshdConfig;
    readonly hostKeys: readonly SshKeyPair[];
    readonly authorizedKeys: readonly string[];
  },
): Promise<SshdFolder> {
  const path = await mkdtemp(join(tmpdir(), "bemi-sshd-"));
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(path, name);
    await writeFile(file, text, { mode: 0o600 });
    await own(file, owner);
    return file;
  };
  const hostKeyFiles = await Promise.all(
    contents.hostKeys.map(({ privateKey }, index) =>
      write(`host-key-${index}`, privateKey),
    ),
  );
  const authorizedKeysFile = await write(
    "authorized_keys",
    contents.authorizedKeys.map((line) => `${line}\n`).join(""),
  );
  const logFile = await write("log", "");
  const settings: SshdConfig = {
    ...defaults,
    Port: contents.port,
    AuthorizedKeysFile: authorizedKeysFile,
    PidFile: join(path, PID_FILE),
    ...contents.config,
  };
  const configFile = await write(
    "sshd_config",
    [
      // First: a `Match` among the settings ends what is for everybody.
      ...hostKeyFiles.map((file) => `HostKey ${file}\n`),
      ...Object.entries(settings).map(([name, value]) => `${name} ${value}\n`),
    ].join(""),
  );
  await chmod(path, 0o700);
  await own(path, owner);
  return { path, configFile, logFile };
}

/** In the folder while the server runs. */
const PID_FILE = "sshd.pid";

const defaults: SshdConfig = {
  ListenAddress: "127.0.0.1",
  PubkeyAuthentication: "yes",
  PasswordAuthentication: "no",
  KbdInteractiveAuthentication: "no",
  // Root alone may ask PAM.
  UsePAM: "no",
  // The files are below the temporary folder, which everybody can write to.
  StrictModes: "no",
  UseDNS: "no",
  // Says which key was let in, and what was forwarded is not.
  LogLevel: "VERBOSE",
};
