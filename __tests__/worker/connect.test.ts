/** What pg says of servers that never answer, to be told from the rest. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { UnreachableError } from "../../worker/errors";
import { connect, connectionConfig } from "../../worker/network/connect";
import { readSettings } from "../../worker/settings/settings";

test.each<[string, (socket: Socket) => void, string]>([
  ["says nothing", () => undefined, "does not answer: check DB_HOST"],
  ["hangs up", (socket) => socket.end(), "closed the connection"],
  ["resets", (socket) => socket.resetAndDestroy(), "closed the connection"],
])("a server that %s can be tried again", async (_what, answer, words) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    answer(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { source } = readSettings({
    DB_HOST: "127.0.0.1",
    DB_PORT: String((server.address() as AddressInfo).port),
    DB_NAME: "shop",
    DB_USER: "app",
    DB_PASSWORD: "hush",
  });
  const config = await connectionConfig(source, { applicationName: "test" });
  const failure = await connect(source, {
    ...config,
    connectionTimeoutMillis: 200,
  }).catch((error: unknown) => error);
  for (const socket of sockets) socket.destroy();
  server.close();
  expect(failure).toBeInstanceOf(UnreachableError);
  expect((failure as Error).message).toContain(words);
});
