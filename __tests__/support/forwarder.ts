/**
 * A name that moves: a TCP port that leads to one server, then to another, as
 * an endpoint's address does at a failover.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

interface Target {
  readonly host: string;
  readonly port: number;
}

export class Forwarder implements AsyncDisposable {
  /** Connections that were ever made to it. */
  connections = 0;
  /** Undefined: connections are refused. */
  #target: Target | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => this.#carry(client));

  /** Listens on a free port of the loopback, or where it is told to. */
  static async start(target: Target, at?: Target): Promise<Forwarder> {
    const forwarder = new Forwarder();
    forwarder.#target = target;
    forwarder.#server.listen(at?.port ?? 0, at?.host ?? "127.0.0.1");
    await once(forwarder.#server, "listening");
    return forwarder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections go there; open ones stay, or are cut. */
  moveTo(target: Target | undefined, open: "stay" | "cut" = "cut"): void {
    this.#target = target;
    if (open === "cut") this.cut();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(client: Socket): void {
    this.connections++;
    const target = this.#target;
    if (!target) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(target.port, target.host);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }
}
