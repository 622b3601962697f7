/**
 * A server that knows as much of PostgreSQL's protocol as a login takes: TLS
 * when it has a certificate, any password, and nothing after that.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";

export interface FakePostgres extends AsyncDisposable {
  readonly port: number;
  /** Names that were asked for by SNI; false: none. */
  readonly askedFor: readonly (string | false | null)[];
}

export async function startFakePostgres(tls?: {
  readonly key: string;
  readonly cert: string;
  readonly ciphers?: string;
}): Promise<FakePostgres> {
  const sockets = new Set<Socket>();
  const askedFor: (string | false | null)[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (packet) => {
      if (packet.readInt32BE(4) !== SSL_REQUEST) return welcome(socket);
      socket.write(tls ? "S" : "N");
      const secure = tls && new TLSSocket(socket, { ...tls, isServer: true });
      secure?.on("error", () => undefined);
      (secure ?? socket).once("data", () => {
        if (secure) askedFor.push(secure.servername);
        welcome(secure ?? socket);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    askedFor,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const SSL_REQUEST = 80877103;

/** AuthenticationOk and ReadyForQuery. */
function welcome(socket: Socket): void {
  socket.write(Buffer.from("520000000800000000" + "5a0000000549", "hex"));
}
