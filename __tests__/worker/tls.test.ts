import { X509Certificate } from "node:crypto";
import { type PeerCertificate, rootCertificates } from "node:tls";
import { Client } from "pg";
import {
  serverCertificate,
  serverKey,
  serverName,
  testAuthority,
} from "../../scripts/lab/certificates";
import { OperatorError } from "../../worker/errors";
import { isNamed } from "../../worker/network/certificate-names";
import { connect, connectionConfig } from "../../worker/network/connect";
import { type SslMode, tlsOptions } from "../../worker/network/tls";
import { readSettings } from "../../worker/settings/settings";
import {
  CertificateAuthority,
  type CertificateRequest,
} from "../support/certificate-authority";
import { expiredCertificate, otherAuthority } from "../support/certificates";
import { startFakePostgres } from "../support/fake-postgres";

const good = { key: serverKey, cert: serverCertificate };
const expired = { key: serverKey, cert: expiredCertificate };

const authority = new CertificateAuthority("Names");

/** Each mode against each server: whether libpq would connect. */
test.each<
  [
    mode: SslMode,
    what: string,
    accepted: boolean,
    options?: {
      readonly server?: typeof good | null;
      readonly roots?: string | undefined;
      readonly name?: string;
    },
  ]
>([
  ["disable", "a plain server", true, { server: null }],
  ["require", "a plain server", false, { server: null }],
  ["verify-ca", "a plain server", false, { server: null }],
  ["verify-full", "a plain server", false, { server: null }],
  ["require", "an unknown authority", true, { roots: undefined }],
  ["require", "the given authority", true],
  ["require", "another authority than given", false, { roots: otherAuthority }],
  ["require", "another name", true, { name: "other.test" }],
  ["verify-ca", "the given authority", true],
  ["verify-ca", "an unknown authority", false, { roots: undefined }],
  ["verify-ca", "another authority", false, { roots: otherAuthority }],
  ["verify-ca", "another name", true, { name: "other.test" }],
  ["verify-ca", "an expired certificate", false, { server: expired }],
  ["verify-full", "the given authority and name", true],
  ["verify-full", "an unknown authority", false, { roots: undefined }],
  ["verify-full", "another authority", false, { roots: otherAuthority }],
  ["verify-full", "another name", false, { name: "other.test" }],
  ["verify-full", "an address for a name", false, { name: "127.0.0.1" }],
  ["verify-full", "an expired certificate", false, { server: expired }],
])("%s, %s: accepted is %s", async (mode, _what, accepted, options = {}) => {
  const { server = good, name = serverName } = options;
  const roots = "roots" in options ? options.roots : testAuthority;
  await using database = await startFakePostgres(server ?? undefined);
  const ssl = tlsOptions({
    mode,
    serverName: name,
    ...(roots === undefined ? {} : { rootCertificates: () => roots }),
  });
  // By name and by address: pg verifies neither, only what we ask for counts.
  for (const host of ["localhost", "127.0.0.1"]) {
    const client = new Client({ host, port: database.port, user: "any", ssl });
    client.on("error", () => undefined);
    const outcome = await client.connect().then(
      () => true,
      () => false,
    );
    await client.end();
    expect(outcome).toBe(accepted);
  }
});

test("a certificate that cannot be verified is refused with OpenSSL's reason", async () => {
  const { certificate: cert, key } = authority.issue({
    commonName: serverName,
    digest: "sha1",
  });
  // As an old server does, which has no such scruples.
  const ciphers = "DEFAULT@SECLEVEL=0";
  await using database = await startFakePostgres({ cert, key, ciphers });
  const source = sourceAt(database, authority.certificate);
  const config = await connectionConfig(source, { applicationName: "test" });
  const refused = connect(source, config);
  await expect(refused).rejects.toBeInstanceOf(OperatorError);
  await expect(refused).rejects.toThrow(/cannot be verified: .*too weak/);
});

test("authorities out of files without a last line break are all trusted", async () => {
  await using database = await startFakePostgres(good);
  const roots = `${otherAuthority.trimEnd()}${testAuthority.trimEnd()}`;
  const source = sourceAt(database, roots);
  const config = await connectionConfig(source, { applicationName: "test" });
  const client = await connect(source, config);
  await client.end();
});

/** As libpq 15 and later: which certificates are for which name. */
test.each<
  [
    name: string,
    certificate: Omit<CertificateRequest, "from" | "to">,
    accepted: boolean,
  ]
>([
  ["10.0.0.7", { commonName: "db", addresses: ["10.0.0.7"] }, true],
  ["10.0.0.7", { commonName: "db", addresses: ["10.0.0.8"] }, false],
  ["10.0.0.7", { commonName: "db", names: ["10.0.0.7"] }, true],
  ["10.0.0.7", { commonName: "10.0.0.7" }, true],
  ["10.0.0.7", { commonName: "10.0.0.7", addresses: ["10.0.0.8"] }, false],
  ["10.0.0.7", { commonName: "10.0.0.7", names: ["db.test"] }, false],
  ["10.0.0.7", { commonName: "*.0.0.7", names: ["*.0.0.7"] }, false],
  ["db.example.test", { commonName: "db.example.test" }, true],
  ["DB.Example.Test", { commonName: "x", names: ["db.example.test"] }, true],
  [
    "db.example.test",
    { commonName: "db.example.test", names: ["other.example.test"] },
    false,
  ],
  [
    "db.example.test",
    { commonName: "db.example.test", addresses: ["10.0.0.7"] },
    true,
  ],
  ["db.example.test", { commonName: "x", names: ["*.example.test"] }, true],
  ["a.db.example.test", { commonName: "x", names: ["*.example.test"] }, false],
  ["example.test", { commonName: "x", names: ["*.example.test"] }, false],
])("%s, a certificate %j: accepted is %s", (name, request, accepted) => {
  const { certificate } = authority.issue(request);
  const { subject, subjectAltName, raw } = new X509Certificate(certificate);
  const error = isNamed(name, {
    subject: { CN: subject.replace("CN=", "") },
    subjectaltname: subjectAltName,
    raw,
  } as PeerCertificate);
  expect(error?.message ?? "accepted").toEqual(
    accepted ? "accepted" : expect.stringContaining("does not match"),
  );
});

test("public authorities and the RDS bundle are trusted by default", () => {
  const options = tlsOptions({ mode: "verify-full", serverName });
  if (options === false) throw new Error("TLS is off");
  const roots = options.ca ?? [];
  expect(roots).toEqual(expect.arrayContaining([...rootCertificates]));
  expect(roots.length).toBeGreaterThan(rootCertificates.length + 50);
});

function sourceAt({ port }: { readonly port: number }, roots: string) {
  const login = { DB_NAME: "any", DB_USER: "any", DB_PASSWORD: "any" };
  return readSettings({
    ...{ ...login, DB_HOST: "127.0.0.1", DB_PORT: String(port) },
    DB_SSLMODE: "verify-full",
    DB_SSL_SERVERNAME: serverName,
    DB_SSLROOTCERT: roots,
  }).source;
}
