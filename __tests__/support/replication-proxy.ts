/**
 * A TCP proxy in front of the source that understands as much of the protocol
 * as to change, hold or watch what streams through a replication connection.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Cluster } from "../../scripts/cluster";

const COPY_DATA = 0x64;
const XLOG_DATA = 0x77;
const STATUS = 0x72;
const NOTICE = 0x4e;
/** Tag, start, end and clock in front of a pgoutput message. */
const XLOG_HEADER_BYTES = 25;

export interface ProxyHooks {
  /** What the worker is given in place of a pgoutput message. */
  change?: (message: Buffer) => Buffer;
  /** An error of the source in place of a message; it ends the stream. */
  fail?: (message: Buffer) => { code: string; text: string } | undefined;
  /** The word for a notice's severity, which a server translates. */
  severity?: string;
  /** True: this message still passes, all that follows waits. */
  holdAfter?: (message: Buffer) => boolean;
  /** What the source is told in place of a status' position. */
  report?: (position: bigint) => bigint;
  /** The source never learns that the worker is gone. */
  deadLine?: boolean;
}

export class ReplicationProxy implements AsyncDisposable {
  hooks: ProxyHooks = {};
  readonly port: number;
  readonly #close: () => Promise<void>;
  readonly #held: (() => void)[] = [];
  /** The connection that is held; look-ups on others go on. */
  #holding: Socket | undefined;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async start(target: Cluster): Promise<ReplicationProxy> {
    const sockets = new Set<Socket>();
    const server = createServer((worker) => {
      const source = connect(target.port, target.host);
      for (const socket of [worker, source]) {
        socket.setNoDelay(true);
        sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => sockets.delete(socket));
      }
      proxy.#carry(worker, source);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const proxy = new ReplicationProxy(port, async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    });
    return proxy;
  }

  /** Whether a message made the proxy hold what follows. */
  get holding(): boolean {
    return this.#holding !== undefined;
  }

  /** Hands on what was held, and goes on. */
  release(): void {
    this.#holding = undefined;
    for (const act of this.#held.splice(0)) act();
  }

  #carry(worker: Socket, source: Socket): void {
    const fromWorker = new Splitter(true);
    worker.on("data", (bytes) => {
      for (const message of fromWorker.split(bytes)) {
        source.write(this.#toSource(message));
      }
    });
    worker.on("close", () => {
      if (!this.hooks.deadLine) source.destroy();
    });
    const fromSource = new Splitter(false);
    source.on("data", (bytes) => {
      for (const message of fromSource.split(bytes)) {
        if (this.#holding !== worker) this.#toWorker(worker, message);
        // Not an error: while the proxy holds, the line is half open, and the
        // worker never learns how it ended.
        else if (message[0] === COPY_DATA) {
          this.#held.push(() => this.#toWorker(worker, message));
        }
      }
    });
    source.on("close", () => {
      if (this.#holding !== worker) worker.end();
    });
  }

  #toWorker(worker: Socket, message: Buffer): void {
    if (message[0] === NOTICE && this.hooks.severity) {
      worker.write(withSeverity(message, this.hooks.severity));
      return;
    }
    if (message[0] !== COPY_DATA || message[5] !== XLOG_DATA) {
      worker.write(message);
      return;
    }
    const { change, holdAfter, fail } = this.hooks;
    const payload = message.subarray(5 + XLOG_HEADER_BYTES);
    const failure = fail?.(payload);
    if (failure) {
      worker.end(errorResponse(failure));
      return;
    }
    const changed = change ? change(payload) : payload;
    const out = Buffer.concat([
      message.subarray(0, 5 + XLOG_HEADER_BYTES),
      changed,
    ]);
    out.writeUInt32BE(out.length - 1, 1);
    worker.write(out);
    if (holdAfter?.(payload)) this.#holding ??= worker;
  }

  #toSource(message: Buffer): Buffer {
    const { report } = this.hooks;
    if (!report || message[0] !== COPY_DATA || message[5] !== STATUS) {
      return message;
    }
    const out = Buffer.from(message);
    for (const at of [6, 14, 22]) {
      out.writeBigUInt64BE(report(out.readBigUInt64BE(at)), at);
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

/** The first field is the translated severity; the second one never is. */
function withSeverity(notice: Buffer, severity: string): Buffer {
  const end = notice.indexOf(0, 5);
  const out = Buffer.concat([
    notice.subarray(0, 5),
    Buffer.from(`S${severity}`),
    notice.subarray(end),
  ]);
  out.writeUInt32BE(out.length - 1, 1);
  return out;
}

function errorResponse(error: { code: string; text: string }): Buffer {
  const fields = Buffer.from(
    `SERROR\0VERROR\0C${error.code}\0M${error.text}\0\0`,
  );
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** Bytes to whole messages of the protocol. */
class Splitter {
  #rest: Buffer = Buffer.alloc(0);
  #isStartup: boolean;

  /** The first message of a client has no type. */
  constructor(isClient: boolean) {
    this.#isStartup = isClient;
  }

  split(bytes: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const messages: Buffer[] = [];
    for (;;) {
      const typeBytes = this.#isStartup ? 0 : 1;
      if (this.#rest.length < typeBytes + 4) return messages;
      const length = typeBytes + this.#rest.readUInt32BE(typeBytes);
      if (this.#rest.length < length) return messages;
      messages.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
      this.#isStartup = false;
    }
  }
}
