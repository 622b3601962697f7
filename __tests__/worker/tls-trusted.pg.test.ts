/**
 * A worker that trusts and is trusted, on a real server: every connection is
 * encrypted and verified, and what is replaced under it is taken up.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../scripts/eventually";
import { streamStartFailure } from "../../worker/network/connect";
import { Servers } from "../../worker/network/servers";
import { readSettings } from "../../worker/settings/settings";
import { openReplication } from "../../worker/stream/replication";
import {
  CertificateAuthority,
  daysFromNow,
} from "../support/certificate-authority";
import { healthOf } from "../support/health";
import { startJumpHost } from "../support/jump-host";
import { generateSshKey } from "../support/ssh-keys";
import { TlsServer } from "../support/tls-server";
import { Trail } from "../support/trail";
import {
  type WorkerProcess,
  workerEnvironment,
} from "../support/worker-process";

const NAME = "db.example.test";
const ROLE = "certified";
const authorities = [1, 2].map((n) => new CertificateAuthority(`Servers ${n}`));
const clients = [1, 2].map((n) => new CertificateAuthority(`Clients ${n}`));
const [authority, newAuthority] = authorities;
const [client, newClient] = clients;
if (!authority || !newAuthority || !client || !newClient) throw new Error();

const forServer = { commonName: "db", names: [NAME] };
const good = authority.issue(forServer);
const folder = mkdtempSync(join(tmpdir(), "tls-"));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The role's certificate, whose common name it is; no password is needed. */
function writeClient(issuer: CertificateAuthority) {
  const { certificate, key } = issuer.issue({ commonName: ROLE });
  return {
    SSLCERT: write("client.crt", certificate),
    SSLKEY: write("client.key", key),
  };
}

let server: TlsServer;
beforeAll(async () => {
  server = await TlsServer.start();
  await server.serve(good, client.certificate);
});
afterAll(() => server[Symbol.asyncDispose]());

async function arrange(): Promise<{
  trail: Trail;
  env: Record<string, string>;
}> {
  const trail = await Trail.create({
    source: server.cluster,
    destination: server.cluster,
    tables: "CREATE TABLE note (id int PRIMARY KEY)",
  });
  const own = {
    USER: ROLE,
    PASSWORD: "",
    SSLMODE: "verify-full",
    SSLROOTCERT: write("servers.crt", authority?.certificate ?? ""),
    SSL_SERVERNAME: NAME,
    ...(client && writeClient(client)),
  };
  const env = Object.entries(own).flatMap(([name, value]) => [
    [`DB_${name}`, value],
    [`DEST_DB_${name}`, value],
  ]);
  return { trail, env: Object.fromEntries(env) };
}

test("stream, look-ups and destination are encrypted and show the certificate, also through a jump host", async () => {
  const key = generateSshKey();
  await using host = await startJumpHost({ authorizedKey: key.public });
  const { trail: it, env } = await arrange();
  await using trail = it;
  await trail.streaming({
    ...env,
    DB_HOST: "db.internal",
    SSH_HOST: "127.0.0.1",
    SSH_PORT: String(host.port),
    SSH_USER: "jump",
    SSH_PRIVATE_KEY: key.private,
    SSH_HOST_KEY: host.publicKey,
  });
  await trail.source.query("INSERT INTO note VALUES (1)");
  await trail.reached(1);
  expect(new Set(host.asked)).toEqual(
    new Set([`db.internal:${server.cluster.port}`]),
  );
  const sessions = await trail.source.query(
    `SELECT DISTINCT backend_type, ssl, client_dn FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
      WHERE usename = '${ROLE}' AND datname = current_database() ORDER BY backend_type`,
  );
  const encrypted = { ssl: true, client_dn: `/CN=${ROLE}` };
  expect(sessions).toEqual([
    { backend_type: "client backend", ...encrypted },
    { backend_type: "walsender", ...encrypted },
  ]);
});

test("the replication connection verifies for itself", async () => {
  const { source, ...settings } = readSettings({
    ...workerEnvironment(server.cluster, "postgres"),
    DB_SSLMODE: "verify-full",
    DB_SSL_SERVERNAME: NAME,
    DB_SSLROOTCERT: newAuthority.certificate,
  });
  await using servers = new Servers(
    { source, ...settings },
    { applicationName: "test", signal: new AbortController().signal },
  );
  const config = await servers.sourceConfig();
  const failed = await openReplication({
    config,
    slotName: "none",
    publicationName: "none",
    start: 0n,
    limitBytes: 1_000_000,
    maxValueBytes: 1_000_000,
    prepare: async () => undefined,
    connectAgain: () => servers.connectSource(),
  }).catch((error: unknown) => streamStartFailure(error, source, config));
  expect(failed).toMatchObject({
    name: "ConfigurationError",
    message: expect.stringContaining("of an authority that is not trusted"),
  });
});

const waits = (worker: WorkerProcess, words: string) =>
  eventually(`it waits: ${words}`, async () => {
    const { status, problem = "" } = await healthOf(worker);
    return status === 503 && problem.includes(words);
  });

const healthy = (worker: WorkerProcess) =>
  eventually("healthy", async () => (await healthOf(worker)).status === 200);

test("certificates, keys and authorities that are replaced are taken up at the next connection", async () => {
  const { trail: it, env } = await arrange();
  await using trail = it;
  const worker = await trail.streaming(env);
  const endSessions = () =>
    trail.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${ROLE}'`,
    );

  // The server's side first, as when an authority is replaced.
  await server.serve(newAuthority.issue(forServer), newClient.certificate);
  await trail.source.query("INSERT INTO note VALUES (1)");
  await trail.reached(1);
  await endSessions();
  await waits(worker, "of an authority that is not trusted");
  await trail.source.query("INSERT INTO note VALUES (2)");
  write("servers.crt", newAuthority.certificate.slice(0, 200));
  await waits(worker, "DB_SSLROOTCERT: cannot be used now");
  write("servers.crt", newAuthority.certificate);
  await waits(worker, "client certificate in DEST_DB_SSLCERT");
  writeClient(newClient);
  await healthy(worker);
  await trail.reached(2);

  const old = { from: daysFromNow(-2), to: daysFromNow(-1) };
  await server.serve(
    newAuthority.issue({ ...forServer, ...old }),
    newClient.certificate,
  );
  await endSessions();
  await waits(worker, "has expired");
  await server.serve(newAuthority.issue(forServer), newClient.certificate);
  await healthy(worker);
  await trail.source.query("INSERT INTO note VALUES (3)");
  await trail.reached(3);
  expect(worker.lines.map(({ level }) => level)).not.toContain("fatal");
});
