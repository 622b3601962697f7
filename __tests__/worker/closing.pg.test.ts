/**
 * Connections that cannot end in order: whoever closes them, or fails to open
 * them, goes on all the same. A worker that waits for ever does nothing else.
 */
import { connect as connectSocket } from "node:net";
import { FaultProxy } from "../../scripts/soak/fault-proxy";
import { Servers } from "../../worker/network/servers";
import { readSettings } from "../../worker/settings/settings";
import {
  openReplication,
  type ReplicationStream,
} from "../../worker/stream/replication";
import { CertificateAuthority } from "../support/certificate-authority";
import {
  type LoopbackServer,
  startLoopbackServer,
} from "../support/loopback-server";
import { TlsServer } from "../support/tls-server";
import { workerEnvironment } from "../support/worker-process";

const authority = new CertificateAuthority("Servers");
const clients = new CertificateAuthority("Clients");
const stranger = new CertificateAuthority("Somebody else");

let server: TlsServer;
beforeAll(async () => {
  server = await TlsServer.start();
  const certificate = authority.issue({ commonName: "db", names: ["db"] });
  await server.serve(certificate, clients.certificate);
});
afterAll(() => server[Symbol.asyncDispose]());

/** Hands on what the server says, but not that it closed. */
function withoutEnd(): Promise<LoopbackServer> {
  return startLoopbackServer(
    (client) => {
      const line = connectSocket(server.cluster.port, "127.0.0.1");
      line.on("error", () => undefined);
      line.on("data", (bytes) => client.write(bytes));
      client.on("data", (bytes) => line.write(bytes));
      client.on("close", () => line.destroy());
    },
    { allowHalfOpen: true },
  );
}

const serversAt = (port: number, set: Readonly<Record<string, string>> = {}) =>
  new Servers(
    readSettings({
      ...workerEnvironment(server.cluster, "postgres"),
      DB_PORT: String(port),
      ...set,
    }),
    { applicationName: "test", signal: new AbortController().signal },
  );

async function stream(
  servers: Servers,
  prepare: () => Promise<void>,
): Promise<ReplicationStream> {
  return openReplication({
    config: await servers.sourceConfig(),
    slotName: "none",
    publicationName: "none",
    start: 0n,
    limitBytes: 1_000_000,
    maxValueBytes: 1_000_000,
    prepare,
    connectAgain: () => servers.connectSource(),
  });
}

const foreign = stranger.issue({ commonName: "certified" });
const ways: Readonly<Record<string, (servers: Servers) => Promise<unknown>>> = {
  "a connection": (servers) => servers.connectSource(),
  "the stream": (servers) => stream(servers, async () => undefined),
};

test.each(Object.entries(ways))(
  "%s whose certificate is refused fails, though the server never closes",
  async (_what, open) => {
    await using proxy = await withoutEnd();
    await using servers = serversAt(proxy.port, {
      DB_USER: "certified",
      DB_SSLMODE: "verify-full",
      DB_SSL_SERVERNAME: "db",
      DB_SSLROOTCERT: authority.certificate,
      DB_SSLCERT: foreign.certificate,
      DB_SSLKEY: foreign.key,
    });
    await expect(open(servers)).rejects.toThrow(/unknown.ca/i);
  },
);

test("a connection closes though its line is gone", async () => {
  await using proxy = await FaultProxy.start(server.cluster);
  await using servers = serversAt(proxy.port);
  const client = await servers.connectSource();
  proxy.begin({ kind: "blackHole" });
  await client.end();
});

test("a stream that is not to start is closed though its line is gone", async () => {
  await using proxy = await FaultProxy.start(server.cluster);
  await using servers = serversAt(proxy.port);
  const opening = stream(servers, async () => {
    proxy.begin({ kind: "blackHole" });
    throw new Error("not to start");
  });
  await expect(opening).rejects.toThrow("not to start");
});
