/**
 * Keys as `ssh-keygen` makes them, at OpenSSH's own server: which are let in,
 * which host is accepted, and what is said of the others.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sshd, startSshd } from "../../scripts/lab/sshd";
import type { SshKeyPair } from "../../scripts/lab/sshd-folder";
import { ConfigurationError, OperatorError } from "../../worker/errors";
import { parseHostKey } from "../../worker/network/host-key";
import { openTunnel } from "../../worker/network/tunnel";
import { readSettings } from "../../worker/settings/settings";
import { testWithSshd } from "../support/sshd";

const passphrase = "p4ssphrase";
const anyTime = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "ssh-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the worker's key", () => {
  testWithSshd.each<[string, string[]]>([
    ["Ed25519", ["-t", "ed25519", "-N", ""]],
    ["Ed25519, encrypted", ["-t", "ed25519", "-N", passphrase]],
    ["RSA", ["-t", "rsa", "-b", "2048", "-N", ""]],
    ["RSA, encrypted", ["-t", "rsa", "-b", "2048", "-N", passphrase]],
    [
      "RSA in PEM, encrypted",
      ["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", passphrase],
    ],
    ["ECDSA", ["-t", "ecdsa", "-N", ""]],
  ])(
    "%s: as text, on one line, with Windows' line ends, and as a file's path",
    async (_name, args) => {
      const { file, privateKey, publicKey } = keygen(args);
      await using host = await startSshd({ authorizedKeys: [publicKey] });
      const forms = [
        privateKey,
        privateKey.replaceAll("\n", "\\n"),
        privateKey.replaceAll("\n", "\r\n"),
        file,
      ];
      for (const SSH_PRIVATE_KEY of forms) {
        const isEncrypted = args.includes(passphrase);
        await login(host, {
          SSH_PRIVATE_KEY,
          ...(isEncrypted ? { SSH_PASSPHRASE: passphrase } : {}),
        });
      }
      expect(host.logins).toBe(forms.length);
    },
  );

  testWithSshd("that changes is read anew", async () => {
    const { file, publicKey } = keygen(["-t", "ed25519", "-N", ""]);
    await using host = await startSshd({ authorizedKeys: [publicKey] });
    const { ssh } = settings(host, { SSH_PRIVATE_KEY: file });
    rmSync(file);
    execFileSync("ssh-keygen", ["-qt", "ed25519", "-N", "", "-f", file]);
    if (!ssh) throw new Error("there is no SSH_HOST");
    await expect(openTunnel(ssh, anyTime)).rejects.toThrow(OperatorError);
  });

  testWithSshd.each<[string, string[], Record<string, string>, string]>([
    [
      "without its passphrase",
      ["-t", "ed25519", "-N", passphrase],
      {},
      "set SSH_PASSPHRASE",
    ],
    [
      "with a wrong passphrase",
      ["-t", "ed25519", "-N", passphrase],
      { SSH_PASSPHRASE: "wr0ng" },
      "SSH_PASSPHRASE does not decrypt it",
    ],
    [
      "in PEM with a wrong passphrase",
      ["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", passphrase],
      { SSH_PASSPHRASE: "wr0ng" },
      "SSH_PASSPHRASE does not decrypt it",
    ],
    [
      "encrypted with a cipher that is not known",
      [
        ...["-t", "ed25519", "-N", passphrase],
        ...["-Z", "chacha20-poly1305@openssh.com"],
      ],
      { SSH_PASSPHRASE: passphrase },
      "ssh-keygen -p -Z aes256-ctr",
    ],
    [
      "in PKCS #8",
      ["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""],
      {},
      "this is PKCS #8",
    ],
  ])("%s: one sentence", (_name, args, extra, sentence) => {
    const { privateKey } = keygen(args);
    const env = { SSH_PRIVATE_KEY: privateKey, ...extra };
    expect(problemOf(env)).toContain(sentence);
  });

  testWithSshd.each<[string, (pair: SshKeyPair) => string, string]>([
    [
      "cut off",
      ({ privateKey }) => privateKey.slice(0, 200),
      "it is not whole",
    ],
    [
      "without line breaks",
      ({ privateKey }) => privateKey.replaceAll("\n", " "),
      "its line breaks are lost",
    ],
    ["the public half", ({ publicKey }) => publicKey, "the public half"],
    ["in PuTTY's format", () => "PuTTY-User-Key-File-3: ssh-ed25519", "puttyg"],
    ["a path to nothing", () => "/does/not/exist", "check the path (ENOENT)"],
    [
      "in base64",
      ({ privateKey }) => Buffer.from(privateKey).toString("base64"),
      "a key in base64: give the key itself",
    ],
  ])("%s: one sentence", (_name, spoil, sentence) => {
    const pair = keygen(["-t", "ed25519", "-N", ""]);
    expect(problemOf({ SSH_PRIVATE_KEY: spoil(pair) })).toContain(sentence);
  });
});

describe("the host's key", () => {
  testWithSshd.each<[string, string[]]>([
    ["Ed25519", ["-t", "ed25519"]],
    ["RSA", ["-t", "rsa", "-b", "2048"]],
    ["ECDSA", ["-t", "ecdsa"]],
  ])(
    "%s: pinned as a key, as ssh-keyscan's line and as a fingerprint",
    async (_name, args) => {
      const other = keygen(["-t", "ed25519", "-N", ""]);
      const own = keygen([...args, "-N", ""]);
      // Of several keys, the pinned kind is asked for.
      await using host = await startSshd({ hostKeys: [own, other] });
      const fingerprint = fingerprintOf(own.file);
      const keys = [own.publicKey, scanned(host, own.publicKey)];
      for (const key of keys) await login(host, { SSH_HOST_KEY: key });
      await using alone = await startSshd({ hostKeys: [own] });
      await login(alone, { SSH_HOST_KEY: fingerprint });
      expect(parseHostKey(own.publicKey)?.fingerprint).toBe(fingerprint);
    },
  );

  testWithSshd(
    "a fingerprint of another kind than the first: the remedy is the key itself",
    async () => {
      const first = keygen(["-t", "ed25519", "-N", ""]);
      const second = keygen(["-t", "rsa", "-b", "2048", "-N", ""]);
      await using host = await startSshd({ hostKeys: [first, second] });
      const remedy = expect.stringContaining("set SSH_HOST_KEY to that key");
      await expect(
        login(host, { SSH_HOST_KEY: fingerprintOf(second.file) }),
      ).rejects.toMatchObject({ remedy });
      await expect(
        login(host, {
          SSH_HOST_KEY: keygen(["-t", "ed25519", "-N", ""]).publicKey,
        }),
      ).rejects.not.toMatchObject({ remedy });
      await login(host, { SSH_HOST_KEY: second.publicKey });
    },
  );

  testWithSshd(
    "another one is refused before the worker's is shown",
    async () => {
      const pinned = keygen(["-t", "rsa", "-b", "2048", "-N", ""]);
      await using host = await startSshd();
      const refused = login(host, { SSH_HOST_KEY: pinned.publicKey });
      await expect(refused).rejects.toThrow(OperatorError);
      await expect(refused).rejects.toThrow(fingerprintOf(pinned.file));
      expect(host.logged).not.toContain("key ED25519");
    },
  );
});

let count = 0;

function keygen(args: readonly string[]): SshKeyPair & { file: string } {
  const file = join(folder, `key-${++count}`);
  execFileSync("ssh-keygen", ["-q", "-C", "worker", ...args, "-f", file]);
  const read = (path: string) => readFileSync(path, "utf8");
  return {
    file,
    privateKey: read(file),
    publicKey: read(`${file}.pub`).trim(),
  };
}

function fingerprintOf(file: string): string {
  const line = execFileSync("ssh-keygen", ["-lf", `${file}.pub`]).toString();
  return /SHA256:\S+/.exec(line)?.[0] ?? "";
}

/** What ssh-keyscan prints of this key. */
function scanned({ host, port }: Sshd, publicKey: string): string {
  const [type = "", key = ""] = publicKey.split(" ");
  const lines = execFileSync("ssh-keyscan", ["-p", String(port), host], {
    stdio: ["ignore", "pipe", "ignore"],
  }).toString();
  const line = lines.split("\n").find((each) => each.includes(key));
  expect(line).toContain(type);
  return line ?? "";
}

function settings(host: Sshd, env: Readonly<Record<string, string>>) {
  const source = { DB_HOST: "db", DB_NAME: "x", DB_USER: "x" };
  const all = { ...source, DB_PASSWORD: "x", ...host.environment, ...env };
  return readSettings(all);
}

async function login(
  host: Sshd,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const { ssh } = settings(host, env);
  if (!ssh) throw new Error("there is no SSH_HOST");
  await using _tunnel = await openTunnel(ssh, anyTime);
}

/** The only one, with nothing of the key in it. */
function problemOf(env: Readonly<Record<string, string>>): string {
  try {
    readSettings({
      ...{ DB_HOST: "db", DB_NAME: "x", DB_USER: "x", DB_PASSWORD: "x" },
      ...{ SSH_HOST: "jump", SSH_USER: "x" },
      SSH_HOST_KEY: `SHA256:${"A".repeat(43)}`,
      ...env,
    });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    expect(error.problems).toHaveLength(1);
    expect(error.message).toMatch(/^SSH_PRIVATE_KEY: /);
    const body = env.SSH_PRIVATE_KEY?.match(/[\w+/=]{20,}/g) ?? [];
    for (const secret of [...body, passphrase, "wr0ng"])
      expect(error.message).not.toContain(secret);
    return error.message;
  }
  throw new Error("the key was taken");
}
