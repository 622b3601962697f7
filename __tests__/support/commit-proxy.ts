/**
 * A TCP proxy in front of the destination that cuts a connection at a COMMIT,
 * and that can lead to another server from one moment to the next.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Cluster } from "../../scripts/cluster";

/**
 * - `request`: the COMMIT never arrives
 * - `reply`: it is done, and the worker never learns of it
 * - `both`: whatever comes first
 */
export type Cut = "request" | "reply" | "both";

export class CommitProxy implements AsyncDisposable {
  /** Asked at each of the worker's commits. */
  cut: () => Cut | undefined = () => undefined;
  cuts = 0;
  connections = 0;
  readonly port: number;
  readonly #sockets: Set<Socket>;
  readonly #close: () => Promise<void>;

  private constructor(
    public target: Cluster,
    port: number,
    sockets: Set<Socket>,
    close: () => Promise<void>,
  ) {
    this.port = port;
    this.#sockets = sockets;
    this.#close = close;
  }

  static async start(target: Cluster): Promise<CommitProxy> {
    const sockets = new Set<Socket>();
    const server = createServer((worker) => proxy.#carry(worker));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const proxy = new CommitProxy(target, port, sockets, async () => {
      proxy.cutAll();
      server.close();
      await once(server, "close");
    });
    return proxy;
  }

  /** As when a server is gone. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(worker: Socket): void {
    this.connections++;
    const server = connect(this.target.port, this.target.host);
    for (const socket of [worker, server]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        worker.destroy();
        server.destroy();
      });
    }
    let isCut = false;
    worker.on("data", (bytes) => {
      const cut = isCommit(bytes) ? this.cut() : undefined;
      if (cut) this.cuts++;
      isCut ||= cut === "reply";
      if (cut === "request") worker.destroy();
      else server.write(bytes);
      if (cut === "both") setImmediate(() => worker.destroy());
    });
    server.on("data", (bytes) => {
      if (isCut) worker.destroy();
      else worker.write(bytes);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

/** The worker moves the watermark and commits in one message. */
function isCommit(bytes: Buffer): boolean {
  return (
    bytes.includes("UPDATE public._bemi_watermarks") && bytes.includes("COMMIT")
  );
}
