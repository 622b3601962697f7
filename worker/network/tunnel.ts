/**
 * An SSH tunnel to a database that only a jump host reaches. The database's
 * name is resolved by the jump host, anew for every connection.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Client, type KeyType, type ServerHostKeyAlgorithm } from "ssh2";
import { fingerprintOf, type HostKey } from "./host-key";
import { endWhenSilent } from "./silence";
import {
  handshakeError,
  lostConnection,
  refusedForward,
} from "./tunnel-errors";
import { TunnelStream } from "./tunnel-stream";

export interface SshSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: HostKey;
  /** Read anew at every connection; behind a function so as not to be printed. */
  readonly credentials: () => Promise<SshCredentials>;
}

export interface SshCredentials {
  readonly privateKey: string;
  readonly passphrase?: string;
}

/**
 * Connects to the jump host. `signal` ends the attempt; an open tunnel is
 * closed by disposing of it, after the connections in it have been drained.
 *
 * @throws OperatorError when the host has another key or refuses ours.
 */
export async function openTunnel(
  ssh: SshSettings,
  signal: AbortSignal,
): Promise<Tunnel> {
  signal.throwIfAborted();
  const credentials = await ssh.credentials();
  const client = new Client();
  const socket = connect({ host: ssh.host, port: ssh.port, noDelay: true });
  let presented: string | undefined;
  const tunnel = new Tunnel(client, socket, `${ssh.host}:${ssh.port}`);
  const abort = () => socket.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const ready = new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      void tunnel.closed.then(reject);
    });
    // A key that cannot be read fails before anybody waits for this.
    ready.catch(() => undefined);
    client.connect({
      sock: socket,
      username: ssh.user,
      ...credentials,
      algorithms: { serverHostKey: hostKeyAlgorithms(ssh.hostKey.type) },
      hostVerifier: (key: Buffer) => {
        presented = fingerprintOf(key);
        return presented === ssh.hostKey.fingerprint;
      },
      readyTimeout: READY_TIMEOUT_MS,
      keepaliveInterval: KEEPALIVE_INTERVAL_MS,
      // An answer waits behind the rows; on a slow line those come for longer
      // than any patience. What has gone silent is found below.
      keepaliveCountMax: Number.POSITIVE_INFINITY,
    });
    await ready;
    endWhenSilent(socket, {
      tickMs: KEEPALIVE_INTERVAL_MS,
      silentTicks: KEEPALIVE_COUNT,
    });
    return tunnel;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw handshakeError(ssh, { error, presented });
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** An open tunnel; any number of connections go through it. */
export class Tunnel implements AsyncDisposable {
  /** Settles when the tunnel has ended, with the reason. */
  readonly closed: Promise<Error>;
  private readonly streams = new Set<TunnelStream>();

  constructor(
    private readonly client: Client,
    private readonly socket: Socket,
    private readonly name: string,
  ) {
    let reason: Error | undefined;
    client.on("error", (error) => {
      reason ??= error;
      // ssh2 only says goodbye, and would wait for a peer that is gone.
      socket.destroy();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => resolve(lostConnection(name, reason)));
    });
    // A channel does not always notice that its connection is gone.
    void this.closed.then((error) => {
      for (const stream of this.streams) stream.destroy(error);
    });
  }

  /** For `pg`: `stream: () => tunnel.stream(host, port)`; `pg` connects it. */
  stream(host: string, port: number): TunnelStream {
    const stream = new TunnelStream(() => this.forward(host, port));
    this.streams.add(stream);
    stream.once("close", () => this.streams.delete(stream));
    return stream;
  }

  /** Connects from the jump host to `host`, a name that is resolved there. */
  async connect(host: string, port: number): Promise<Duplex> {
    const stream = this.stream(host, port).connect();
    await once(stream, "connect");
    return stream;
  }

  /** Says goodbye, but does not wait for a peer that no longer answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.end();
    const timer = setTimeout(() => this.socket.destroy(), GOODBYE_MS);
    await this.closed;
    clearTimeout(timer);
  }

  private forward(host: string, port: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      this.client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => {
        if (error) reject(refusedForward(`${host}:${port}`, this.name, error));
        else resolve(channel);
      });
    });
  }
}

const READY_TIMEOUT_MS = 15_000;
const KEEPALIVE_INTERVAL_MS = 10_000;
/** A dead peer is noticed after 30 to 40 seconds. */
const KEEPALIVE_COUNT = 3;
const GOODBYE_MS = 1000;

/**
 * A server has several keys and shows the first kind that is asked for: the
 * pinned kind comes first. The others follow, so that a server without it is
 * refused with its fingerprint instead of "no matching algorithm". SHA-1
 * (`ssh-rsa`) is left out.
 */
function hostKeyAlgorithms(pinned?: KeyType): ServerHostKeyAlgorithm[] {
  const all: ServerHostKeyAlgorithm[] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
  ];
  const family = pinned === "ssh-rsa" ? "rsa-sha2" : pinned;
  const isPinned = (algorithm: string) =>
    family !== undefined && algorithm.startsWith(family);
  return [
    ...all.filter(isPinned),
    ...all.filter((algorithm) => !isPinned(algorithm)),
  ];
}
