import type { Socket } from "node:net";
import { eventually } from "../../scripts/eventually";
import {
  serverCertificate,
  serverKey,
  serverName,
  testAuthority,
} from "../../scripts/lab/certificates";
import { UnreachableError } from "../../worker/errors";
import { connect, connectionConfig } from "../../worker/network/connect";
import { readSettings } from "../../worker/settings/settings";
import { startFakePostgres } from "../support/fake-postgres";
import { startLoopbackServer } from "../support/loopback-server";

/** Of what is over at once, but not on a busy machine. */
const PATIENCE_MS = 60_000;

test.each<[string, (socket: Socket) => void, string, number]>([
  ["says nothing", () => undefined, "does not answer: check DB_HOST", 200],
  ["hangs up", (socket) => socket.end(), "closed the connection", PATIENCE_MS],
  [
    "resets",
    (socket) => socket.resetAndDestroy(),
    "closed the connection",
    PATIENCE_MS,
  ],
])(
  "a server that %s can be tried again",
  async (_what, answer, words, patienceMs) => {
    await using server = await startLoopbackServer(answer);
    const { source } = readSettings({
      DB_HOST: "127.0.0.1",
      DB_PORT: String(server.port),
      DB_NAME: "shop",
      DB_USER: "app",
      DB_PASSWORD: "hush",
    });
    const config = await connectionConfig(source, { applicationName: "test" });
    const failure = await connect(source, {
      ...config,
      connectionTimeoutMillis: patienceMs,
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnreachableError);
    expect((failure as Error).message).toContain(words);
  },
);

test("a connection that is refused is let go, also when the server holds on to it", async () => {
  const sockets: Socket[] = [];
  await using server = await startLoopbackServer(
    (socket) => {
      sockets.push(socket);
      socket.once("data", () => socket.write("N"));
    },
    { allowHalfOpen: true },
  );
  const { source } = readSettings({
    DB_HOST: "127.0.0.1",
    DB_PORT: String(server.port),
    DB_NAME: "shop",
    DB_USER: "app",
    DB_PASSWORD: "hush",
    DB_SSLMODE: "require",
  });
  const config = await connectionConfig(source, { applicationName: "test" });
  await expect(connect(source, config)).rejects.toThrow("offers no TLS");
  // What is sent to a socket that is gone is answered by a reset.
  await eventually("the server's socket is reset", async () => {
    sockets[0]?.write("x");
    return sockets[0]?.destroyed;
  });
});

test.each<[string, Record<string, string>, string | false]>([
  ["its own name", { DB_HOST: "localhost" }, "localhost"],
  ["no address", { DB_HOST: "127.0.0.1" }, false],
  [
    "the certificate's name, behind another one",
    { DB_HOST: "localhost", DB_SSL_SERVERNAME: serverName },
    serverName,
  ],
  [
    "the certificate's name, by address",
    { DB_HOST: "127.0.0.1", DB_SSL_SERVERNAME: serverName },
    serverName,
  ],
  [
    "no address, behind a name",
    { DB_HOST: "localhost", DB_SSL_SERVERNAME: "127.0.0.1" },
    false,
  ],
])("a server is asked by SNI for %s", async (_what, env, name) => {
  await using server = await startFakePostgres({
    key: serverKey,
    cert: serverCertificate,
  });
  const { source } = readSettings({
    DB_PORT: String(server.port),
    DB_NAME: "shop",
    DB_USER: "app",
    DB_PASSWORD: "hush",
    DB_SSLMODE: "verify-ca",
    DB_SSLROOTCERT: testAuthority,
    ...env,
  });
  const config = await connectionConfig(source, { applicationName: "test" });
  const client = await connect(source, config);
  await client.end();
  expect(server.askedFor).toEqual([name]);
});
