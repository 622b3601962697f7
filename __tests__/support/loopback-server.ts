/** A TCP server on a free loopback port; its connections end with it. */
import { once } from "node:events";
import {
  type AddressInfo,
  createServer,
  type ServerOpts,
  type Socket,
} from "node:net";

export interface LoopbackServer extends AsyncDisposable {
  readonly port: number;
}

export async function startLoopbackServer(
  answer: (socket: Socket) => void,
  options: ServerOpts = {},
): Promise<LoopbackServer> {
  const sockets = new Set<Socket>();
  const server = createServer(options, (socket) => {
    sockets.add(socket.on("error", () => undefined));
    answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
