import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  serverCertificate,
  serverKey,
  testAuthority,
} from "../../scripts/lab/certificates";
import { parseHostKey } from "../../worker/network/host-key";
import { Login } from "../../worker/network/login";
import { readSettings } from "../../worker/settings/settings";
import { expiredCertificate, otherAuthority } from "../support/certificates";
import { generateSshKey } from "../support/ssh-keys";

const folder = mkdtempSync(join(tmpdir(), "settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

const userKey = generateSshKey();
const hostKey = generateSshKey().public;
const source = {
  DB_HOST: "db.example.test",
  DB_NAME: "shop",
  DB_USER: "bemi",
  DB_PASSWORD: "s3cret",
};
const ssh = {
  SSH_HOST: "jump.example.test",
  SSH_USER: "bemi",
  SSH_PRIVATE_KEY: userKey.private,
  SSH_HOST_KEY: hostKey,
};

test("the defaults", () => {
  const { source: connection, destination, ...rest } = readSettings(source);
  expect(connection).toEqual({
    prefix: "DB",
    host: "db.example.test",
    port: 5432,
    database: "shop",
    user: "bemi",
    password: expect.any(Function),
    login: expect.any(Login),
    tls: { mode: "verify-full", serverName: "db.example.test" },
  });
  expect(destination).toBe(connection);
  expect(rest).toEqual({
    destinationIsSource: true,
    slotName: "bemi",
    publicationName: "bemi",
    trackTables: {
      includes: [
        {
          schema: { text: "public", wildcard: false },
          table: { text: "*", wildcard: true },
        },
      ],
      excludes: [],
    },
    ignoreColumns: [],
    setup: "auto",
    indexValues: true,
    batchMaxBytes: 4 * 1024 * 1024,
    batchMaxDelayMs: 10,
    maxValueBytes: 16 * 1024 * 1024,
    http: { host: "127.0.0.1", port: 8080 },
    metrics: "prometheus",
    logLevel: "info",
    warnings: [],
  });
});

test("empty variables are unset", () => {
  const empty = { DEST_DB_HOST: "", SSH_USER: "", RETENTION_DAYS: "" };
  const settings = readSettings({ ...source, ...empty, SLOT_NAME: "" });
  expect(settings).toMatchObject({
    destinationIsSource: true,
    slotName: "bemi",
  });
  expect(settings).not.toHaveProperty("retentionDays");
});

test("a destination has values of its own, also by default", async () => {
  const settings = readSettings({
    ...source,
    DB_PORT: "6432",
    DB_SSL_SERVERNAME: "other.test",
    DEST_DB_HOST: "localhost",
    DEST_DB_NAME: "changes",
    DEST_DB_USER: "writer",
    DEST_DB_PASSWORD: "w",
  });
  expect(settings.destinationIsSource).toBe(false);
  expect(settings.destination).toMatchObject({
    prefix: "DEST_DB",
    port: 5432,
    tls: { mode: "disable", serverName: "localhost" },
  });
  expect(await settings.destination.password()).toBe("w");
  expect(await settings.source.password()).toBe("s3cret");
});

test.each([
  ["localhost", "disable"],
  ["127.0.0.1", "disable"],
  ["127.1.2.3", "disable"],
  ["::1", "disable"],
  ["host.docker.internal", "disable"],
  ["127.example.test", "verify-full"],
  ["10.0.0.1", "verify-full"],
  ["localhost.example.test", "verify-full"],
])("%s: sslmode is %s by default", (host, mode) => {
  expect(readSettings({ ...source, DB_HOST: host }).source.tls.mode).toBe(mode);
});

test("root certificates are taken from a file or the variable", () => {
  const path = join(folder, "ca.pem");
  writeFileSync(path, testAuthority);
  const flat = testAuthority.replaceAll("\n", "\\n");
  for (const value of [path, testAuthority, flat]) {
    const { tls } = readSettings({ ...source, DB_SSLROOTCERT: value }).source;
    expect(tls.rootCertificates?.()).toBe(testAuthority);
  }
});

test("files with certificates and a key are read anew, and have to be whole", () => {
  const paths = ["ca.pem", "own.pem", "own.key"].map((name) =>
    join(folder, name),
  );
  const [ca = "", own = "", key = ""] = paths;
  const write = (...texts: readonly string[]) => {
    for (const [index, text] of texts.entries())
      writeFileSync(paths[index] ?? "", text);
  };
  write(testAuthority, serverCertificate, serverKey);
  const { tls } = readSettings({
    ...source,
    DB_SSLROOTCERT: ca,
    DB_SSLCERT: own,
    DB_SSLKEY: key,
  }).source;
  expect(tls.client?.()).toEqual({
    certificate: serverCertificate,
    key: serverKey,
  });
  write(otherAuthority, expiredCertificate);
  expect(tls.rootCertificates?.()).toBe(otherAuthority);
  expect(tls.client?.().certificate).toBe(expiredCertificate);
  write(otherAuthority.slice(0, 100), otherAuthority);
  expect(tls.rootCertificates).toThrow("DB_SSLROOTCERT: cannot be used now");
  expect(tls.client).toThrow("it is the key of another certificate");
  write(testAuthority + otherAuthority.slice(0, 100));
  expect(tls.rootCertificates).toThrow("a certificate in it is cut off");
});

test("who shows a certificate needs no password", async () => {
  const { DB_PASSWORD: _none, ...without } = source;
  const { password } = readSettings({
    ...without,
    DB_SSLCERT: serverCertificate,
    DB_SSLKEY: serverKey,
  }).source;
  expect(await password()).toBe("");
});

test("a password file is read anew, without its last line break, and goes first", async () => {
  const path = join(folder, "password");
  writeFileSync(path, "first\n");
  const settings = readSettings({ ...source, DB_PASSWORD_FILE: path });
  expect(await settings.source.password()).toBe("first");
  writeFileSync(path, " second \r\n");
  expect(await settings.source.password()).toBe(" second ");
  writeFileSync(path, "\n");
  await expect(settings.source.password()).rejects.toThrow("is empty now");
  rmSync(path);
  await expect(settings.source.password()).rejects.toThrow(
    /DB_PASSWORD_FILE: .*ENOENT/,
  );
});

test("a private key is text, text on one line, or a file", async () => {
  const path = join(folder, "key");
  writeFileSync(path, userKey.private);
  for (const key of [
    userKey.private,
    userKey.private.replaceAll("\n", "\\n"),
    path,
  ]) {
    const settings = readSettings({ ...source, ...ssh, SSH_PRIVATE_KEY: key });
    expect(await settings.ssh?.credentials()).toEqual({
      privateKey: userKey.private,
    });
  }
});

test("the host key is a key, a line of ssh-keyscan, or a fingerprint", () => {
  const { fingerprint } = parseHostKey(hostKey) ?? { fingerprint: "" };
  for (const [text, type] of [
    [hostKey, "ssh-ed25519"],
    [`jump.test ${hostKey} a comment`, "ssh-ed25519"],
    [fingerprint, undefined],
    [`${fingerprint}=`, undefined],
  ]) {
    const settings = readSettings({ ...source, ...ssh, SSH_HOST_KEY: text });
    expect(settings.ssh?.hostKey.fingerprint).toBe(fingerprint);
    expect(settings.ssh?.hostKey.type).toBe(type);
  }
});

test("settings are frozen and print no secret", () => {
  const settings = readSettings({
    ...source,
    ...ssh,
    SSH_PASSPHRASE: "p4ssphrase",
    DB_SSLCERT: serverCertificate,
    DB_SSLKEY: serverKey,
  });
  expect(Object.isFrozen(settings.source.tls)).toBe(true);
  expect(Object.isFrozen(settings.trackTables.includes)).toBe(true);
  const printed =
    JSON.stringify(settings) +
    inspect(settings, { depth: Infinity, showHidden: true });
  for (const secret of ["s3cret", "p4ssphrase", "PRIVATE KEY"]) {
    expect(printed).not.toContain(secret);
  }
});

test.each([
  ["DB_SSL_MODE", "DB_SSLMODE"],
  ["SLOTNAME", "SLOT_NAME"],
  ["TRACK_TABLE", "TRACK_TABLES"],
  ["DEST_DB_PASSWD", "DEST_DB_PASSWORD"],
  ["db_host", "DB_HOST"],
  ["SSH_KEY", "SSH_KEY is not a variable"],
  ["DB_URL", "DB_URL is not a variable"],
])("%s is warned about, without its value: %s", (name, meant) => {
  const { warnings } = readSettings({ ...source, [name]: "v4lue" });
  expect(warnings).toEqual([expect.stringContaining(meant)]);
  expect(warnings[0]).toContain(name);
  expect(warnings[0]).not.toContain("v4lue");
});

test("other programs' variables are not warned about", () => {
  const names =
    "PATH HOME PGHOST PGPASSWORD HTTP_PROXY SSH_CONNECTION SSH_AUTH_SOCK SSH_TTY AWS_REGION NODE_ENV TMPDIR HOSTNAME";
  const others = names.split(" ").map((name) => [name, "x"]);
  const env = { ...source, ...Object.fromEntries(others) };
  expect(readSettings(env).warnings).toEqual([]);
});

test.each([
  ["disable", "db.test", {}, 1],
  ["require", "db.test", {}, 1],
  ["require", "db.test", { DB_SSLROOTCERT: testAuthority }, 0],
  ["verify-ca", "db.test", {}, 1],
  ["verify-ca", "db.test", { DB_SSLROOTCERT: testAuthority }, 0],
  ["disable", "localhost", {}, 0],
])(
  "sslmode %s of %s is warned about as it deserves",
  (mode, host, more, count) => {
    const env = { ...source, ...more, DB_HOST: host, DB_SSLMODE: mode };
    expect(readSettings(env).warnings).toHaveLength(count);
  },
);
