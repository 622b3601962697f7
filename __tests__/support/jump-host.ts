/** An SSH server on loopback that forwards, as far as a test lets it. */
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { type Connection, Server, type ServerChannel } from "ssh2";
import { generateSshKey } from "./ssh-keys";

export interface JumpHost extends AsyncDisposable {
  readonly port: number;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
  /** Where connections were asked for, as `host:port`. */
  readonly asked: readonly string[];
  /** What it may still send in each channel before it has to wait, in bytes. */
  windowsBytes(): number[];
  /** Cuts every connection without a goodbye. */
  cut(): void;
}

export interface JumpHostOptions {
  /** The only key that is let in: `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  readonly hostKey?: { readonly private: string; readonly public: string };
  readonly allowsForwarding?: boolean;
}

export async function startJumpHost(
  options: JumpHostOptions,
): Promise<JumpHost> {
  const hostKey = options.hostKey ?? generateSshKey();
  const asked: string[] = [];
  const clients = new Set<Connection>();
  const channels: ServerChannel[] = [];
  const server = new Server({ hostKeys: [hostKey.private] }, (client) => {
    clients.add(client);
    client.on("error", () => undefined);
    client.on("authentication", (context) => {
      const [, key = ""] = options.authorizedKey.split(" ");
      const isAllowed =
        context.method === "publickey" &&
        context.key.data.equals(Buffer.from(key, "base64"));
      if (isAllowed) context.accept();
      else context.reject(["publickey"]);
    });
    client.on("ready", () => {
      // Without a listener, the server prohibits forwarding by itself.
      if (options.allowsForwarding === false) return;
      client.on("tcpip", (accept, reject, { destIP, destPort }) => {
        asked.push(`${destIP}:${destPort}`);
        const target = connect(destPort, "127.0.0.1");
        target.once("error", () => reject());
        target.once("connect", () => {
          target.removeAllListeners("error").on("error", () => undefined);
          const channel = accept();
          channels.push(channel);
          channel.on("error", () => undefined);
          channel.pipe(target).pipe(channel);
        });
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const client of clients) client.end();
  };
  return {
    port: (server.address() as AddressInfo).port,
    publicKey: hostKey.public,
    asked,
    windowsBytes: () => channels.map((channel) => outgoing(channel).window),
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Not in the library's types. */
function outgoing(channel: ServerChannel): { readonly window: number } {
  return (channel as unknown as { outgoing: { window: number } }).outgoing;
}
