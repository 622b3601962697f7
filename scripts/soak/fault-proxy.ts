/**
 * A TCP proxy that does to connections what networks do: it cuts, delays,
 * throttles, stalls and black-holes them, in both directions or in one.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Direction = "toServer" | "toClient";
export const DIRECTIONS: readonly Direction[] = ["toServer", "toClient"];

/**
 * What happens to bytes on their way.
 * - `delay`: each piece comes later.
 * - `throttle`: no more than so many bytes a second.
 * - `stall`: nothing passes until the fault is over, then everything does.
 * - `blackHole`: nothing passes, and connections that were there never recover;
 *   neither end learns of it.
 */
export type Fault =
  | { readonly kind: "none" }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "throttle"; readonly bytesPerSecond: number }
  | { readonly kind: "stall" }
  | { readonly kind: "blackHole" };

const NONE: Fault = { kind: "none" };
const STALL_POLL_MS = 20;

/** A connection of a client, and ours to the server. */
interface Line {
  readonly client: Socket;
  readonly server: Socket;
  /** Directions in which nothing passes any more. */
  readonly lost: Set<Direction>;
}

export class FaultProxy implements AsyncDisposable {
  /** Sees all bytes before they are handed on. */
  onBytes: ((direction: Direction, bytes: Buffer) => void) | undefined;
  readonly #lines = new Set<Line>();
  readonly #faults = new Map<Direction, Fault>();
  #over = false;

  private constructor(
    readonly port: number,
    readonly close: () => Promise<void>,
  ) {}

  static async start(target: {
    readonly host: string;
    readonly port: number;
  }): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true }, (client) =>
      proxy.#carry({
        client,
        server: connect({ ...target, allowHalfOpen: true }),
        lost: new Set(),
      }),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const proxy = new FaultProxy(port, async () => {
      server.close();
      await once(server, "close");
    });
    return proxy;
  }

  /** From now on, for connections that are there and for new ones. */
  begin(fault: Fault, directions: readonly Direction[] = DIRECTIONS): void {
    for (const direction of directions) {
      this.#faults.set(direction, fault);
      if (fault.kind !== "blackHole") continue;
      for (const { lost } of this.#lines) lost.add(direction);
    }
  }

  end(): void {
    this.#faults.clear();
  }

  /** As a firewall does that forgot its connections: new ones pass. */
  forget(directions: readonly Direction[] = DIRECTIONS): void {
    this.begin({ kind: "blackHole" }, directions);
    this.end();
  }

  /** Both ends are told. */
  cut(): void {
    for (const { client, server } of this.#lines) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  #carry(line: Line): void {
    const { client, server } = line;
    this.#lines.add(line);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
    }
    void Promise.all([
      this.#pump(line, "toServer", client, server),
      this.#pump(line, "toClient", server, client),
    ]).then(() => {
      if (line.lost.size === 0) this.#lines.delete(line);
    });
  }

  async #pump(line: Line, direction: Direction, from: Socket, to: Socket) {
    let isReset = false;
    try {
      // Not destroyed when we stop reading: that would tell the end.
      for await (const bytes of from.iterator({ destroyOnReturn: false })) {
        this.onBytes?.(direction, bytes);
        if (!(await this.#passes(line, direction, bytes.length))) return;
        await new Promise<unknown>((resolve) => to.write(bytes, resolve));
      }
    } catch {
      isReset = true;
    }
    // The end of a connection travels like its bytes.
    if (!(await this.#passes(line, direction, 0))) return;
    if (isReset) to.destroy();
    else to.end();
  }

  /** Resolves when the bytes may pass; false: they are lost. */
  async #passes(line: Line, direction: Direction, bytes: number) {
    const fault = (): Fault => this.#faults.get(direction) ?? NONE;
    const now = fault();
    if (now.kind === "delay") await sleep(now.ms);
    if (now.kind === "throttle") {
      await sleep((bytes * 1000) / now.bytesPerSecond);
    }
    while (fault().kind === "stall" && !this.#over) await sleep(STALL_POLL_MS);
    if (fault().kind === "blackHole") line.lost.add(direction);
    return !line.lost.has(direction);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    for (const { client, server } of this.#lines) {
      client.destroy();
      server.destroy();
    }
    await this.close();
  }
}
