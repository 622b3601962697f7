import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { workerVariables } from "../../config/worker-variables";
import {
  serverCertificate,
  serverKey,
  testAuthority,
} from "../../scripts/lab/certificates";
import { ConfigurationError } from "../../worker/errors";
import { readSettings } from "../../worker/settings/settings";
import { generateSshKey } from "../support/ssh-keys";

const folder = mkdtempSync(join(tmpdir(), "settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

const userKey = generateSshKey();
const encryptedKey = generateSshKey({
  passphrase: "p4ssphrase",
  cipher: "aes256-ctr",
  rounds: 1,
});

const source = {
  DB_HOST: "db.example.test",
  DB_NAME: "shop",
  DB_USER: "bemi",
  DB_PASSWORD: "s3cret",
};
const destination = {
  DEST_DB_HOST: "changes.example.test",
  DEST_DB_NAME: "changes",
  DEST_DB_USER: "writer",
  DEST_DB_PASSWORD: "s3cret2",
};
const ssh = {
  SSH_HOST: "jump.example.test",
  SSH_USER: "bemi",
  SSH_PRIVATE_KEY: userKey.private,
  SSH_HOST_KEY: userKey.public,
};
const certified = {
  DB_SSLCERT: serverCertificate,
  DB_SSLKEY: serverKey,
  DEST_DB_SSLCERT: serverCertificate,
  DEST_DB_SSLKEY: serverKey,
};
const everything = { ...source, ...destination, ...ssh, ...certified };

const hosts = ["db.test:5432", "postgres://db.test", "a b", "[::1]", "-x"];
const ports = ["x", "0", "65536", "-1", "5432.0", "1e3", " 5432", "tcp://x:1"];
const names = ["a\nb", "x".repeat(64)];
const modes = ["prefer", "allow", "VERIFY-FULL", "true", "no-verify"];
const identifiers = ["Bemi", "a-b", "a b", "x".repeat(64), "ä"];
const certificates = [
  "/does/not/exist.pem",
  folder,
  file("no.pem", "no certificate"),
  file("key.pem", userKey.private),
  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
  testAuthority.replace("MII", "MIA"),
];
const clientKeys = [
  "/does/not/exist.pem",
  "garbage",
  String(
    generateKeyPairSync("ed25519").privateKey.export({
      type: "pkcs8",
      format: "pem",
    }),
  ),
  "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
  serverCertificate,
];
const passwordFiles = ["/does/not/exist", folder, file("empty", "\n")];
const switches = ["true", "ON", "1"];

test.each<[name: string, values: readonly string[]]>([
  ["DB_HOST", hosts],
  ["DB_PORT", ports],
  ["DB_NAME", names],
  ["DB_USER", names],
  ["DB_PASSWORD_FILE", passwordFiles],
  ["DB_SSLMODE", modes],
  ["DB_SSLROOTCERT", certificates],
  ["DB_SSL_SERVERNAME", hosts],
  ["DB_SSLCERT", certificates],
  ["DB_SSLKEY", clientKeys],
  ["DEST_DB_HOST", hosts],
  ["DEST_DB_PORT", ports],
  ["DEST_DB_NAME", names],
  ["DEST_DB_USER", names],
  ["DEST_DB_PASSWORD_FILE", passwordFiles],
  ["DEST_DB_SSLMODE", modes],
  ["DEST_DB_SSLROOTCERT", certificates],
  ["DEST_DB_SSL_SERVERNAME", hosts],
  ["DEST_DB_SSLCERT", certificates],
  ["DEST_DB_SSLKEY", clientKeys],
  ["SLOT_NAME", identifiers],
  ["PUBLICATION_NAME", identifiers],
  ["TRACK_TABLES", ["todo", "a.b.c", "a.b,,c.d", 'a."b', "_bemi.x"]],
  ["IGNORE_COLUMNS", ["a.b.c.d", "!a", "a,,b"]],
  ["SETUP", ["yes", "Auto"]],
  ["SSH_HOST", hosts],
  ["SSH_PORT", ports],
  ["SSH_USER", names],
  [
    "SSH_PRIVATE_KEY",
    [
      "/does/not/exist",
      folder,
      file("garbage", "garbage"),
      userKey.public,
      file("public", userKey.public),
      userKey.private.slice(0, 200),
      encryptedKey.private,
    ],
  ],
  [
    "SSH_HOST_KEY",
    ["ssh-ed25519", "ssh-ed25519 AAAA", "SHA256:abc", "MD5:00:11", "yes"],
  ],
  ["INDEX_VALUES", switches],
  ["RETENTION_DAYS", ["0", "-1", "x", "36501", "1.5", "for ever"]],
  ["BATCH_MAX_BYTES", ["0", "65535", "268435457", "4MiB"]],
  ["BATCH_MAX_DELAY_MS", ["-1", "60001", "10ms"]],
  ["MAX_VALUE_BYTES", ["1023", "134217729", "16MiB"]],
  ["HTTP_HOST", hosts],
  ["HTTP_PORT", ["-1", "65536", "x"]],
  ["METRICS", ["cloudwatch", "EMF"]],
  ["METRICS_ENVIRONMENT", names],
  ["LOG_LEVEL", ["verbose", "INFO"]],
])("%s: each wrong value gives one problem that names it", (name, values) => {
  for (const value of values) {
    const problems = problemsOf({ ...everything, [name]: value });
    const got = problems.map((problem) => problem.split(":")[0]);
    expect({ value, got }).toEqual({ value, got: [name] });
  }
});

test("every variable but the free texts is in the table above", () => {
  const free = Object.entries(workerVariables)
    .filter(([, { type }]) => type === "text")
    .map(([name]) => name);
  expect(free).toEqual(["DB_PASSWORD", "DEST_DB_PASSWORD", "SSH_PASSPHRASE"]);
});

test.each(["DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD"])(
  "%s is required, and empty is unset",
  (name) => {
    for (const value of ["", undefined]) {
      const problems = problemsOf({ ...source, [name]: value });
      expect(problems).toEqual([
        expect.stringMatching(new RegExp(`^${name}: not set, and required`)),
      ]);
    }
  },
);

test.each([
  ["DEST_DB_PORT", "5433"],
  ["DEST_DB_HOST", "x.test"],
  ["DEST_DB_NAME", "x"],
  ["DEST_DB_USER", "x"],
  ["DEST_DB_PASSWORD", "x"],
  ["DEST_DB_SSLMODE", "disable"],
  ["DEST_DB_SSL_SERVERNAME", "x.test"],
])("%s alone: what is missing of the destination is named", (name, value) => {
  const problems = problemsOf({ ...source, [name]: value });
  expect(problems.map((problem) => problem.split(":")[0])).toEqual(
    Object.keys(destination).filter((each) => each !== name),
  );
});

test("the jump host needs a user, a key and a host key", () => {
  const problems = problemsOf({ ...source, SSH_HOST: "jump.test" });
  expect(problems.map((problem) => problem.split(":")[0]).sort()).toEqual([
    "SSH_HOST_KEY",
    "SSH_PRIVATE_KEY",
    "SSH_USER",
  ]);
});

test("SSH_* variables without SSH_HOST are named", () => {
  const problems = problemsOf({ ...everything, SSH_HOST: "", SSH_PORT: "22" });
  expect(problems).toHaveLength(4);
  for (const problem of problems) expect(problem).toContain("without SSH_HOST");
});

test("a wrong passphrase is a problem", () => {
  const key = { SSH_PRIVATE_KEY: encryptedKey.private };
  const wrong = { ...everything, ...key, SSH_PASSPHRASE: "wr0ng" };
  expect(problemsOf(wrong)).toHaveLength(1);
  expect(
    problemsOf({ ...everything, ...key, SSH_PASSPHRASE: "p4ssphrase" }),
  ).toEqual([]);
});

test("all problems are reported at once, with what was got and is allowed", () => {
  const problems = problemsOf({
    DB_PORT: "many",
    DB_SSLMODE: "prefer",
    SLOT_NAME: "My-Slot",
    TRACK_TABLES: "todo,a.b.c",
    SSH_USER: "x",
    LOG_LEVEL: "loud",
  });
  expect(problems).toHaveLength(11);
  const text = problems.join("\n");
  expect(text).toContain('DB_PORT: got "many", allowed: a whole number');
  expect(text).toContain("from 1 to 65535");
  expect(text).toContain("unset it for 5432");
  expect(text).toContain("verify-full, or require");
});

test.each(["DB_SSLCERT", "DB_SSLKEY", "DEST_DB_SSLCERT", "DEST_DB_SSLKEY"])(
  "%s is not enough without its other half",
  (name) => {
    const problems = problemsOf({ ...everything, [name]: "" });
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^${name}: not set, and required`)),
    ]);
  },
);

test("no message has a secret, wherever somebody put it", () => {
  const secret = "hunter2";
  const texts = [
    { DB_HOST: `postgres://bemi:${secret}@db.test/shop`, DB_NAME: "" },
    { DB_PASSWORD_FILE: secret },
    { DB_PASSWORD: secret, DB_PORT: "x" },
    { SSH_PRIVATE_KEY: secret },
    { SSH_PRIVATE_KEY: encryptedKey.private, SSH_PASSPHRASE: secret },
    { DB_SSLROOTCERT: `-----BEGIN PRIVATE KEY-----\n${secret}` },
    { DB_SSLCERT: `-----BEGIN PRIVATE KEY-----\n${secret}` },
    { DB_SSLKEY: secret },
    { DB_SSLKEY: `-----BEGIN PRIVATE KEY-----\n${secret}` },
    { SSH_HOST_KEY: `-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}` },
  ].map((env) => problemsOf({ ...everything, ...env }).join("\n"));
  for (const text of texts) {
    expect(text).not.toBe("");
    expect(text).not.toContain(secret);
  }
});

function problemsOf(env: Record<string, string | undefined>): string[] {
  try {
    readSettings(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return [...error.problems];
    throw error;
  }
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
