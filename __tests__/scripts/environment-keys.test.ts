import { chmodSync } from "node:fs";
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { namesOf } from "../../config/names";
import {
  ensureKeys,
  keyRun,
  rollBackKeys,
  rotateKeys,
} from "../../scripts/keys/environment-keys";
import { renderKeyReport } from "../../scripts/keys/key-report";
import type { KeyName } from "../../scripts/keys/needed-keys";
import { sshKey } from "../../scripts/keys/ssh-key";
import { wireguardKey } from "../../scripts/keys/wireguard-key";
import { EnvironmentFolder } from "../support/environment-folder";
import { type EnvironmentName, environmentFile } from "../support/environments";
import { AwsError, FakeSecrets } from "../support/fake-secrets";

const now = new Date("2026-11-20T12:00:00Z");
const { secrets: names } = namesOf("prod");

let secrets: FakeSecrets;

beforeEach(() => {
  secrets = new FakeSecrets();
  secrets.add(names.vpnNode, names.vpnServer, names.ssh);
});

afterEach(() => secrets.restore());

function folderOf(name: EnvironmentName): EnvironmentFolder {
  return new EnvironmentFolder("prod", environmentFile(name));
}

const runOf = (folder: EnvironmentFolder, which?: KeyName) =>
  keyRun(folder.file, now, ({ name }) => !which || name === which);

const stored = (name: string) => JSON.parse(secrets.current(name) ?? "{}");
const inFile = (folder: EnvironmentFolder) =>
  JSON.parse(folder.text).connection;

async function messageOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "Failure" });
  const { message } = error as Error;
  for (const text of secrets.allTexts) expect(message).not.toContain(text);
  return message;
}

test("both ends of the tunnel get a pair, and the file the public halves", async () => {
  using folder = folderOf("before-keys");
  const results = await ensureKeys(runOf(folder));
  expect(results.map(({ key, what }) => [key.name, what])).toEqual([
    ["node", "made"],
    ["server", "made"],
  ]);
  const [node, server] = [stored(names.vpnNode), stored(names.vpnServer)];
  expect(node.publicKey).toBe(wireguardKey.publicKeyOf(node.privateKey));
  expect(node.createdAt).toBe(now.toISOString());
  expect(node.privateKey).not.toBe(server.privateKey);
  expect(inFile(folder).node.publicKey).toBe(node.publicKey);
  expect(inFile(folder).server.publicKey).toBe(server.publicKey);
});

test("SSH gets a pair that is in the file without its comment", async () => {
  using folder = folderOf("before-keys-ssh");
  await ensureKeys(runOf(folder));
  const pair = stored(names.ssh);
  expect(pair.publicKey).toMatch(/ bemi-prod$/);
  expect(sshKey.publicKeyOf(pair.privateKey)).toBe(inFile(folder).publicKey);
  expect(inFile(folder).publicKey).toBe(sshKey.inFile(pair.publicKey));
});

test.each<[EnvironmentName, readonly string[]]>([
  ["direct", []],
  ["before-keys-ssh", [names.ssh]],
  ["before-keys", [names.vpnNode, names.vpnServer]],
])(
  "in the environment %s the secrets %j are looked at",
  async (name, expected) => {
    using folder = folderOf(name);
    await ensureKeys(runOf(folder));
    const asked = secrets.mock
      .calls()
      .map(
        ({ args: [command] }) =>
          "SecretId" in command.input && command.input.SecretId,
      );
    expect([...new Set(asked)]).toEqual(expected);
  },
);

test("the provider's VPN server is left alone", async () => {
  const file = environmentFile("vpn-foreign");
  if (file.connection.mode === "vpn") delete file.connection.node.publicKey;
  using folder = new EnvironmentFolder("prod", file);
  const before = inFile(folder).server;
  const results = await ensureKeys(runOf(folder));
  expect(results.map(({ key }) => key.name)).toEqual(["node"]);
  expect(inFile(folder).server).toEqual(before);
});

test("a server left to its default is written out with its key", async () => {
  const file = environmentFile("before-keys");
  if (file.connection.mode === "vpn") delete file.connection.server;
  using folder = new EnvironmentFolder("prod", file);
  await ensureKeys(runOf(folder));
  expect(inFile(folder).server).toEqual({
    kind: "own",
    publicKey: stored(names.vpnServer).publicKey,
  });
});

test("a second run writes nothing", async () => {
  using folder = folderOf("before-keys");
  await ensureKeys(runOf(folder));
  const [text, writes] = [folder.text, secrets.writes];
  const results = await ensureKeys(runOf(folder));
  expect(results.map(({ what }) => what)).toEqual(["kept", "kept"]);
  expect(secrets.writes).toBe(writes);
  expect(folder.text).toBe(text);
});

test("a pair that only the secret has is kept, and written into the file", async () => {
  using folder = folderOf("before-keys");
  const before = folder.text;
  await ensureKeys(runOf(folder));
  const [complete, writes] = [folder.text, secrets.writes];
  folder.text = before;
  const results = await ensureKeys(runOf(folder));
  expect(results.map(({ what }) => what)).toEqual(["recorded", "recorded"]);
  expect(secrets.writes).toBe(writes);
  expect(folder.text).toBe(complete);
});

test("another public key in the file gives way to the secret's, and is named", async () => {
  using folder = folderOf("before-keys");
  await ensureKeys(runOf(folder));
  const kept = stored(names.vpnNode).publicKey;
  const foreign = wireguardKey.generate("").publicKey;
  folder.text = folder.text.replace(kept, foreign);
  const run = runOf(folder);
  const results = await ensureKeys(run);
  expect(results[0]).toMatchObject({ what: "recorded", replaced: foreign });
  expect(inFile(folder).node.publicKey).toBe(kept);
  expect(renderKeyReport(run.environment, "prod.json", results)).toContain(
    `in place of ${foreign}`,
  );
});

test("a public key in the file without a secret is not replaced", async () => {
  using folder = folderOf("vpn-nat");
  const before = folder.text;
  const message = await messageOf(ensureKeys(runOf(folder)));
  expect(message).toContain(names.vpnNode);
  expect(message).toContain(names.vpnServer);
  expect(message).toContain("in use elsewhere");
  expect(message).toContain("--rotate");
  expect(secrets.writes).toBe(0);
  expect(folder.text).toBe(before);
});

test("such a key is replaced when that is asked for", async () => {
  using folder = folderOf("vpn-nat");
  const server = inFile(folder).server.publicKey;
  const results = await rotateKeys(runOf(folder, "node"));
  expect(results.map(({ what }) => what)).toEqual(["made"]);
  expect(inFile(folder).node.publicKey).toBe(stored(names.vpnNode).publicKey);
  expect(inFile(folder).server.publicKey).toBe(server);
});

test.each([
  ["no JSON", "hunter2-is-the-password"],
  ["a password", '{"username":"bemi","password":"hunter2-is-the-password"}'],
  [
    "two halves of different pairs",
    JSON.stringify({
      ...wireguardKey.generate(""),
      publicKey: wireguardKey.generate("").publicKey,
    }),
  ],
])("a secret that holds %s is neither replaced nor shown", async (_, text) => {
  using folder = folderOf("before-keys");
  secrets.set(names.vpnServer, text);
  secrets.mock.resetHistory();
  const message = await messageOf(ensureKeys(runOf(folder)));
  expect(message).toContain(
    `the secret ${names.vpnServer}: its value is no key pair`,
  );
  expect(message).not.toContain("hunter2");
  // Not the other key's either: all are looked at before anything is written.
  expect(secrets.writes).toBe(0);
  expect(inFile(folder).node.publicKey).toBeUndefined();
});

test("a rotation keeps the pair before as the previous one", async () => {
  using folder = folderOf("before-keys");
  await ensureKeys(runOf(folder));
  const before = secrets.current(names.vpnNode);
  const server = secrets.current(names.vpnServer);
  const results = await rotateKeys(runOf(folder, "node"));
  expect(results.map(({ what }) => what)).toEqual(["rotated"]);
  expect(secrets.previous(names.vpnNode)).toBe(before);
  expect(secrets.current(names.vpnNode)).not.toBe(before);
  expect(secrets.current(names.vpnServer)).toBe(server);
  expect(inFile(folder).node.publicKey).toBe(stored(names.vpnNode).publicKey);
});

test("a rollback brings the previous pair back, and a second one takes it away", async () => {
  using folder = folderOf("before-keys-ssh");
  await ensureKeys(runOf(folder));
  const first = [secrets.current(names.ssh), folder.text];
  await rotateKeys(runOf(folder));
  const second = [secrets.current(names.ssh), folder.text];
  const results = await rollBackKeys(runOf(folder));
  expect(results.map(({ what }) => what)).toEqual(["rolled back"]);
  expect([secrets.current(names.ssh), folder.text]).toEqual(first);
  await rollBackKeys(runOf(folder));
  expect([secrets.current(names.ssh), folder.text]).toEqual(second);
});

test("after a rollback a key can be rotated again", async () => {
  using folder = folderOf("before-keys-ssh");
  await ensureKeys(runOf(folder));
  await rotateKeys(runOf(folder));
  await rollBackKeys(runOf(folder));
  await rotateKeys(runOf(folder));
  expect(new Set(secrets.allTexts).size).toBe(3);
});

test("without a previous pair there is no rollback", async () => {
  using folder = folderOf("before-keys-ssh");
  await ensureKeys(runOf(folder));
  const before = folder.text;
  const message = await messageOf(rollBackKeys(runOf(folder)));
  expect(message).toContain("no previous value");
  expect(folder.text).toBe(before);
});

test("a previous value that is no pair is not rolled back to", async () => {
  using folder = folderOf("before-keys-ssh");
  secrets.set(names.ssh, "hunter2");
  await rotateKeys(runOf(folder));
  const current = secrets.current(names.ssh);
  const message = await messageOf(rollBackKeys(runOf(folder)));
  expect(message).toContain("is no key pair");
  expect(secrets.current(names.ssh)).toBe(current);
});

test("of two who make a key at the same moment the second changes nothing", async () => {
  using folder = folderOf("before-keys-ssh");
  using colleague = folderOf("before-keys-ssh");
  const theirs = sshKey.generate("bemi-prod");
  const generate = jest.spyOn(sshKey, "generate").mockReturnValueOnce(theirs);
  const looked = secrets.mock.on(DescribeSecretCommand);
  looked.resolves({
    ARN: "arn:aws:secretsmanager:us-west-1:111111111111:secret:bemi/prod/ssh-AbCdEf",
  });
  const before = folder.text;
  await ensureKeys(runOf(colleague));
  const message = await messageOf(ensureKeys(runOf(folder)));
  generate.mockRestore();
  expect(message).toContain("somebody else wrote it at the same moment");
  expect(stored(names.ssh).privateKey).toBe(theirs.privateKey);
  expect(folder.text).toBe(before);
});

test("a version is written only behind those that were looked at", async () => {
  using folder = folderOf("before-keys-ssh");
  await ensureKeys(runOf(folder));
  await rotateKeys(runOf(folder));
  const tokens = secrets.mock
    .commandCalls(PutSecretValueCommand)
    .map(({ args: [{ input }] }) => input.ClientRequestToken);
  expect(new Set(tokens).size).toBe(2);
  await rollBackKeys(runOf(folder));
  const [swap] = secrets.mock.commandCalls(UpdateSecretVersionStageCommand);
  expect(swap?.args[0].input).toEqual({
    SecretId: names.ssh,
    VersionStage: "AWSCURRENT",
    MoveToVersionId: tokens[0],
    RemoveFromVersionId: tokens[1],
  });
});

test("a file that cannot be written is said, and the next run finishes", async () => {
  using folder = folderOf("before-keys-ssh");
  const run = runOf(folder);
  const change = jest.spyOn(run.file, "change").mockImplementationOnce(() => {
    throw new Error("killed");
  });
  await expect(ensureKeys(run)).rejects.toThrow("killed");
  change.mockRestore();
  expect(inFile(folder).publicKey).toBeUndefined();
  const results = await ensureKeys(runOf(folder));
  expect(results.map(({ what }) => what)).toEqual(["recorded"]);
  expect(secrets.mock.commandCalls(PutSecretValueCommand)).toHaveLength(1);
});

const FOUNDATION = "npx cdktf deploy prod-foundation";

test.each<[string, () => void, string]>([
  [
    "is missing",
    () =>
      secrets.mock
        .onAnyCommand()
        .rejects(new AwsError("ResourceNotFoundException")),
    FOUNDATION,
  ],
  [
    "is denied",
    () =>
      secrets.mock
        .onAnyCommand()
        .rejects(new AwsError("AccessDeniedException")),
    "not allowed to you",
  ],
  [
    "is throttled",
    () =>
      secrets.mock.onAnyCommand().rejects(new AwsError("ThrottlingException")),
    "too often",
  ],
  [
    "cannot be decrypted",
    () =>
      secrets.mock
        .on(GetSecretValueCommand)
        .rejects(new AwsError("DecryptionFailure")),
    "KMS key cannot be used",
  ],
  [
    "is scheduled for deletion",
    () => secrets.scheduleDeletion(names.ssh),
    "scheduled for deletion since 2026-11-20",
  ],
  [
    "is asked for with stale credentials",
    () =>
      secrets.mock
        .onAnyCommand()
        .rejects(new AwsError("ExpiredTokenException")),
    "sign in again",
  ],
  [
    "is asked for without credentials",
    () =>
      secrets.mock
        .onAnyCommand()
        .rejects(new AwsError("CredentialsProviderError")),
    "no AWS credentials",
  ],
  [
    "cannot be reached",
    () =>
      secrets.mock
        .onAnyCommand()
        .rejects(Object.assign(new Error("connect"), { code: "ECONNREFUSED" })),
    "cannot be reached",
  ],
  [
    "fails in a way of its own",
    () =>
      secrets.mock
        .onAnyCommand()
        .rejects(new AwsError("InternalServiceError", "try later")),
    "InternalServiceError: try later",
  ],
])("one sentence when a secret %s", async (_, arrange, expected) => {
  using folder = folderOf("before-keys-ssh");
  secrets.set(
    names.ssh,
    JSON.stringify({ ...sshKey.generate("x"), createdAt: "" }),
  );
  const before = folder.text;
  arrange();
  secrets.mock.resetHistory();
  const message = await messageOf(ensureKeys(runOf(folder)));
  expect(message).toContain(names.ssh);
  expect(message).toContain(expected);
  expect(message).not.toContain("\n");
  expect(secrets.writes).toBe(0);
  expect(folder.text).toBe(before);
});

test("what AWS says of a value that it refuses is not repeated", async () => {
  using folder = folderOf("before-keys-ssh");
  secrets.mock.on(PutSecretValueCommand).callsFake((input) => {
    throw new AwsError(
      "ValidationException",
      `Value '${input.SecretString}' at 'secretString'`,
    );
  });
  const message = await messageOf(ensureKeys(runOf(folder)));
  expect(message).toContain("ValidationException");
  expect(message).not.toContain("PRIVATE KEY");
});

test("credentials of another account change nothing", async () => {
  secrets.restore();
  secrets = new FakeSecrets("999999999999");
  secrets.add(names.vpnNode, names.vpnServer);
  using folder = folderOf("before-keys");
  const message = await messageOf(ensureKeys(runOf(folder)));
  expect(message).toContain("are for account 999999999999");
  expect(message).toContain("is in 111111111111");
  expect(secrets.writes).toBe(0);
});

test("the file keeps its mode", async () => {
  using folder = folderOf("before-keys-ssh");
  chmodSync(folder.file.path, 0o640);
  await ensureKeys(runOf(folder));
  const { mode } = await import("node:fs").then(({ statSync }) =>
    statSync(folder.file.path),
  );
  expect(mode & 0o777).toBe(0o640);
});

test.each<EnvironmentName>(["before-keys", "before-keys-ssh"])(
  "no private half is in the report or the file of %s",
  async (name) => {
    using folder = folderOf(name);
    const first = await ensureKeys(runOf(folder));
    const second = await rotateKeys(runOf(folder));
    const run = runOf(folder);
    const shown = [first, second].map((results) =>
      renderKeyReport(run.environment, "prod.json", results),
    );
    for (const text of secrets.allTexts) {
      const { privateKey } = JSON.parse(text);
      for (const line of privateKey
        .split("\n")
        .filter(
          (part: string) => part.length > 16 && !part.startsWith("-----"),
        )) {
        expect(shown.join("\n")).not.toContain(line);
        expect(folder.text).not.toContain(line);
      }
    }
  },
);
