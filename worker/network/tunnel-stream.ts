/**
 * A TCP connection from the far end of a tunnel, in the shape that `pg` takes
 * for its `stream`: it is told to connect, and says "connect" when it is.
 */
import { Duplex } from "node:stream";
import { returnWindow } from "./channel-window";

/** Opens the channel; asked once, at `connect`. */
export type OpenChannel = () => Promise<Duplex>;

export class TunnelStream extends Duplex {
  private channel: Duplex | undefined;
  /** The channel's writing side is gone. */
  private isClosed = false;
  /** Ends the write that waits for the far end's window. */
  private endWrite: ((error?: Error | null) => void) | undefined;

  constructor(private readonly open: OpenChannel) {
    // As a socket: when the server has said its last, so have we.
    super({ allowHalfOpen: false });
  }

  /** `pg` gives port and host once more; where to is settled already. */
  connect(_port?: number, _host?: string): this {
    this.open().then(
      (channel) => this.attach(channel),
      (error: Error) => this.destroy(error),
    );
    return this;
  }

  // The SSH connection has keepalives of its own and keeps the process alive;
  // a single channel in it cannot do either.
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    this.channel?.resume();
  }

  override _write(
    chunk: Buffer,
    encoding: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    if (!this.channel) {
      this.once("connect", () => this._write(chunk, encoding, callback));
      return;
    }
    if (this.isClosed) {
      callback(connectionReset());
      return;
    }
    // Waits for the far end's window, which is back-pressure. The channel does
    // not call back when it is closed meanwhile, so that is done in `attach`.
    const endWrite = (error?: Error | null) => {
      if (this.endWrite !== endWrite) return;
      this.endWrite = undefined;
      callback(error);
    };
    this.endWrite = endWrite;
    this.channel.write(chunk, encoding, endWrite);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.channel?.end();
    callback();
  }

  override _destroy(
    error: Error | null,
    callback: (error?: Error | null) => void,
  ): void {
    const channel = this.channel;
    if (channel) discard(channel);
    // As a socket, a turn later: `pg` takes the end of this stream for the end of
    // the connection, and would not hear why TLS on top of it gave up.
    setImmediate(callback, error);
  }

  private attach(channel: Duplex): void {
    if (this.destroyed) {
      discard(channel);
      return;
    }
    this.channel = channel;
    let isEnded = false;
    channel.on("data", (chunk: Buffer) => {
      if (this.destroyed) return;
      if (this.push(chunk)) returnWindow(channel, chunk);
      else channel.pause();
    });
    channel.on("end", () => {
      isEnded = true;
      this.push(null);
    });
    channel.on("error", (error) => this.destroy(error));
    channel.on("close", () => {
      this.isClosed = true;
      this.endWrite?.();
      // What was received before the end can still be read.
      if (!isEnded) this.destroy(connectionReset());
    });
    this.emit("connect");
    this.emit("ready");
  }
}

function connectionReset(): Error {
  return Object.assign(new Error("the connection in the tunnel was closed"), {
    code: "ECONNRESET",
  });
}

/** A channel that is not read to its end is never closed. */
function discard(channel: Duplex): void {
  channel.on("error", () => undefined);
  channel.destroy();
  channel.resume();
}
