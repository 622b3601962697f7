import { execFileSync, spawnSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { utils } from "ssh2";
import { isSshPublicKey, isWireguardKey } from "../../config/public-keys";
import { readKeyPair, writeKeyPair } from "../../scripts/keys/key-pair";
import { sshKey } from "../../scripts/keys/ssh-key";
import { wireguardKey } from "../../scripts/keys/wireguard-key";

const isThere = (command: string) =>
  spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const testWith = (command: string) => (isThere(command) ? test : test.skip);

const createdAt = "2026-11-20T12:00:00.000Z";

// Taken from RFC 7748, section 6.1.
const alice = {
  privateKey: "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
  publicKey: "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
};

test("a WireGuard public key is made from the private one", () => {
  expect(wireguardKey.publicKeyOf(alice.privateKey)).toBe(alice.publicKey);
});

test("WireGuard keys are 32 bytes in base64, with the bits of X25519 set", () => {
  for (let round = 0; round < 50; round++) {
    const pair = wireguardKey.generate("");
    const bytes = Buffer.from(pair.privateKey, "base64");
    expect(bytes).toHaveLength(32);
    expect(bytes.readUInt8(0) & 7).toBe(0);
    expect(bytes.readUInt8(31) >> 6).toBe(1);
    expect(isWireguardKey(pair.publicKey)).toBe(true);
  }
});

testWith("wg")("wg makes the same public key", () => {
  for (let round = 0; round < 20; round++) {
    const { privateKey, publicKey } = wireguardKey.generate("");
    const made = execFileSync("wg", ["pubkey"], { input: privateKey });
    expect(made.toString().trim()).toBe(publicKey);
  }
});

// Node's export of keys as JWK blocks for ever when it meets the collector. In a
// process of its own: nothing else ends one that is blocked.
test("thousands of keys are made without waiting for one", () => {
  const module = join(__dirname, "../../scripts/keys/wireguard-key.ts");
  const script = `const { wireguardKey } = require(${JSON.stringify(module)});
    for (let round = 0; round < 6000; round++) wireguardKey.generate("");`;
  const { status, signal } = spawnSync(
    process.execPath,
    ["--import", pathToFileURL(require.resolve("tsx")).href, "-e", script],
    { timeout: 60_000, killSignal: "SIGKILL" },
  );
  expect({ status, signal }).toEqual({ status: 0, signal: null });
});

// ssh2 loses leading zeros of keys that it makes itself: one key in 128 has one.
test("ssh2 reads every SSH key that is made, and signs with it", () => {
  let withLeadingZero = 0;
  for (let round = 0; round < 1500; round++) {
    const { privateKey, publicKey } = sshKey.generate("bemi-prod");
    const parsed = utils.parseKey(privateKey);
    if (parsed instanceof Error) throw parsed;
    const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
    if (blob.readUInt8(19) === 0) withLeadingZero++;
    expect(parsed.getPublicSSH().equals(blob)).toBe(true);
    if (round > 50) continue;
    const signature = parsed.sign("text") as unknown as Buffer;
    const key = createPublicKey(parsed.getPublicPEM());
    expect(verify(null, Buffer.from("text"), key, signature)).toBe(true);
  }
  expect(withLeadingZero).toBeGreaterThan(0);
});

test("an SSH public key has the environment as its comment, and none in the file", () => {
  const { publicKey } = sshKey.generate("bemi-prod");
  expect(publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68} bemi-prod$/);
  expect(isSshPublicKey(sshKey.inFile(publicKey))).toBe(true);
});

testWith("ssh-keygen")("OpenSSH reads the private key", () => {
  const folder = mkdtempSync(join(tmpdir(), "bemi-ssh-key-"));
  try {
    for (const comment of ["bemi-prod", "bemi-ab", "bemi-abcdefgh"]) {
      const { privateKey, publicKey } = sshKey.generate(comment);
      const path = join(folder, comment);
      writeFileSync(path, privateKey, { mode: 0o600 });
      const shown = execFileSync("ssh-keygen", ["-y", "-f", path]);
      expect(shown.toString().trim()).toBe(publicKey);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ["WireGuard", wireguardKey],
  ["SSH", sshKey],
])("a %s pair is one line of compact JSON", (_, kind) => {
  const pair = { ...kind.generate("bemi-prod"), createdAt };
  const text = writeKeyPair(pair);
  expect(text).not.toMatch(/[\n\r]|": /);
  expect(Object.keys(JSON.parse(text))).toEqual([
    "privateKey",
    "publicKey",
    "createdAt",
  ]);
  expect(readKeyPair(kind, text)).toEqual(pair);
});

const other = wireguardKey.generate("");
const ssh = sshKey.generate("bemi-prod");

test.each([
  ["no JSON", wireguardKey, alice.privateKey],
  ["a string", wireguardKey, JSON.stringify(alice.privateKey)],
  ["null", wireguardKey, "null"],
  [
    "no public half",
    wireguardKey,
    JSON.stringify({ ...alice, publicKey: undefined }),
  ],
  [
    "a foreign public half",
    wireguardKey,
    JSON.stringify({ ...alice, publicKey: other.publicKey }),
  ],
  [
    "a short private half",
    wireguardKey,
    JSON.stringify({ ...alice, privateKey: "dwdtCg==" }),
  ],
  [
    "a private half that Node would mend",
    wireguardKey,
    JSON.stringify({ ...alice, privateKey: ` ${alice.privateKey}` }),
  ],
  ["a key of the other kind", wireguardKey, JSON.stringify(ssh)],
  ["a WireGuard key for SSH", sshKey, JSON.stringify(alice)],
  [
    "an SSH public half that is not its own",
    sshKey,
    JSON.stringify({ ...ssh, publicKey: sshKey.generate("x").publicKey }),
  ],
  [
    "a public key in place of a private one",
    sshKey,
    JSON.stringify({ ...ssh, privateKey: ssh.publicKey }),
  ],
])("%s is no key pair", (_, kind, text) => {
  expect(readKeyPair(kind, text)).toBeUndefined();
});
