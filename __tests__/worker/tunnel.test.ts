import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Client as PgClient } from "pg";
import { utils } from "ssh2";
import { eventually } from "../../scripts/eventually";
import {
  serverCertificate,
  serverKey,
  serverName,
  testAuthority,
} from "../../scripts/lab/certificates";
import { OperatorError } from "../../worker/errors";
import { parseHostKey } from "../../worker/network/host-key";
import { tlsOptions } from "../../worker/network/tls";
import { openTunnel, type SshSettings } from "../../worker/network/tunnel";
import { startFakePostgres } from "../support/fake-postgres";
import { type JumpHost, startJumpHost } from "../support/jump-host";
import {
  type LoopbackServer,
  startLoopbackServer,
} from "../support/loopback-server";
import { generateSshKey } from "../support/ssh-keys";

const userKey = generateSshKey();
const anyTime = new AbortController().signal;

test("bytes go there and back, to a name that the jump host resolves", async () => {
  await using echo = await startEcho();
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const stream = await tunnel.connect("db.internal", echo.port);
  const sent = Buffer.alloc(5_000_000, "0123456789");
  stream.end(sent);
  const received: Buffer[] = [];
  for await (const chunk of stream) received.push(chunk);
  expect(Buffer.concat(received).equals(sent)).toBe(true);
  expect(host.asked).toEqual([`db.internal:${echo.port}`]);
});

test("a slow reader is waited for", async () => {
  await using echo = await startEcho();
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const stream = await tunnel.connect("db.internal", echo.port);
  let isWritten = false;
  stream.write(Buffer.alloc(50_000_000), () => {
    isWritten = true;
  });
  // Long enough for another connection to send as much as the first may hold.
  const other = await tunnel.connect("db.internal", echo.port);
  other.end(Buffer.alloc(5_000_000));
  for await (const _chunk of other);
  expect(isWritten).toBe(false);
  expect(stream.readableLength).toBeLessThan(1_000_000);
  stream.destroy();
});

test("a small piece is answered at once: its window is given back", async () => {
  await using echo = await startEcho();
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const stream = await tunnel.connect("db.internal", echo.port);
  const whole = host.windowsBytes();
  stream.write(Buffer.alloc(100));
  await once(stream, "data");
  await eventually("the window is whole again", async () =>
    isDeepStrictEqual(host.windowsBytes(), whole),
  );
  stream.destroy();
});

test("the fingerprint pins the host as well as the key does", async () => {
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  const fingerprint = parseHostKey(host.publicKey)?.fingerprint ?? "";
  expect(fingerprint).toMatch(/^SHA256:/);
  const ssh = { ...settingsFor(host), hostKey: { fingerprint } };
  await using tunnel = await openTunnel(ssh, anyTime);
  expect(tunnel).toBeDefined();
});

test.each(["ed25519", "ecdsa", "rsa"] as const)(
  "a host with another key is refused, with both fingerprints (%s)",
  async (type) => {
    const other =
      type === "ed25519"
        ? generateSshKey()
        : utils.generateKeyPairSync(type, {
            bits: type === "rsa" ? 2048 : 256,
          });
    await using host = await startJumpHost({ authorizedKey: userKey.public });
    const pinned = parseHostKey(other.public);
    const presented = parseHostKey(host.publicKey);
    if (!pinned || !presented) throw new Error("host keys do not parse");
    const error = await rejection(
      openTunnel({ ...settingsFor(host), hostKey: pinned }, anyTime),
    );
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toContain(pinned.fingerprint);
    expect(error.message).toContain(presented.fingerprint);
  },
);

test("a refused key is for an operator", async () => {
  const another = generateSshKey();
  await using host = await startJumpHost({ authorizedKey: another.public });
  const error = await rejection(openTunnel(settingsFor(host), anyTime));
  expect(error).toBeInstanceOf(OperatorError);
  expect(error).toHaveProperty(
    "remedy",
    expect.stringContaining("authorized_keys"),
  );
});

test("a key that cannot be read fails the attempt, and nothing else", async () => {
  const unhandled: unknown[] = [];
  const hear = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", hear);
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  const privateKey = userKey.private.slice(0, 100);
  const ssh = {
    ...settingsFor(host),
    credentials: async () => ({ privateKey }),
  };
  await expect(openTunnel(ssh, anyTime)).rejects.toThrow("privateKey");
  await sleep(50);
  process.off("unhandledRejection", hear);
  expect(unhandled).toEqual([]);
});

test("a jump host that forbids forwarding is for an operator", async () => {
  await using host = await startJumpHost({
    authorizedKey: userKey.public,
    allowsForwarding: false,
  });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const error = await rejection(tunnel.connect("db.internal", 5432));
  expect(error).toBeInstanceOf(OperatorError);
  expect(error.message).toContain("db.internal:5432");
});

test("a database that does not answer can be tried again", async () => {
  const echo = await startEcho();
  await echo[Symbol.asyncDispose]();
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const error = await rejection(tunnel.connect("db.internal", echo.port));
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
});

test("a jump host that does not answer can be tried again", async () => {
  const host = await startJumpHost({ authorizedKey: userKey.public });
  await host[Symbol.asyncDispose]();
  const error = await rejection(openTunnel(settingsFor(host), anyTime));
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
  expect(error.message).toContain(`127.0.0.1:${host.port}`);
});

test("an attempt ends when it is told to", async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const host = {
    port: (silent.address() as AddressInfo).port,
    publicKey: userKey.public,
  };
  const controller = new AbortController();
  const attempt = openTunnel(settingsFor(host), controller.signal);
  await once(silent, "connection");
  controller.abort(new Error("stop"));
  await expect(attempt).rejects.toThrow("stop");
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test("a lost tunnel says so, and ends what went through it", async () => {
  await using echo = await startEcho();
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const stream = await tunnel.connect("db.internal", echo.port);
  stream.on("error", () => undefined);
  // More than the windows hold: this write waits when the tunnel is cut.
  stream.write(Buffer.alloc(50_000_000));
  const closed = new Promise((resolve) => stream.once("close", resolve));
  host.cut();
  expect((await tunnel.closed).message).toContain(`127.0.0.1:${host.port}`);
  await closed;
  await expect(tunnel.connect("db.internal", echo.port)).rejects.toThrow();
});

test("a tunnel whose bytes are spoiled on the way has ended", async () => {
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using way = await startSpoiler(host.port);
  await using tunnel = await openTunnel(
    settingsFor({ port: way.port, publicKey: host.publicKey }),
    anyTime,
  );
  way.spoil();
  const late = sleep(10_000, "late", { ref: false });
  expect(await Promise.race([tunnel.closed, late])).toBeInstanceOf(Error);
});

test.each<[string, (socket: Socket) => void]>([
  ["in order", (socket) => socket.resume().end()],
  [
    "by a reset",
    (socket) => socket.once("data", () => socket.resetAndDestroy()),
  ],
])(
  "a host that hangs up at once is one that takes no more connections, %s",
  async (_how, answer) => {
    await using host = await startLoopbackServer(answer);
    const settings = settingsFor({
      port: host.port,
      publicKey: userKey.public,
    });
    await expect(openTunnel(settings, anyTime)).rejects.toMatchObject({
      message: expect.stringContaining("it hung up at once"),
      code: "ECONNRESET",
    });
  },
);

test.each([
  ["plain", undefined],
  ["TLS", { key: serverKey, cert: serverCertificate }],
])("pg connects through it (%s)", async (_name, tls) => {
  await using database = await startFakePostgres(tls);
  await using host = await startJumpHost({ authorizedKey: userKey.public });
  await using tunnel = await openTunnel(settingsFor(host), anyTime);
  const client = new PgClient({
    host: "localhost",
    user: "any",
    stream: () => tunnel.stream("db.internal", database.port),
    ssl: tlsOptions({
      mode: tls ? "verify-full" : "disable",
      serverName,
      rootCertificates: () => testAuthority,
    }),
  });
  await client.connect();
  await client.end();
  expect(host.asked).toEqual([`db.internal:${database.port}`]);
});

function settingsFor(host: Pick<JumpHost, "port" | "publicKey">): SshSettings {
  const hostKey = parseHostKey(host.publicKey);
  if (!hostKey) throw new Error("the host's key does not parse");
  return {
    host: "127.0.0.1",
    port: host.port,
    user: "bemi",
    hostKey,
    credentials: async () => ({ privateKey: userKey.private }),
  };
}

function startEcho(): Promise<LoopbackServer> {
  return startLoopbackServer((socket) => socket.pipe(socket), {
    allowHalfOpen: true,
  });
}

/** From then on it says nothing that can be read, and does not hang up either. */
async function startSpoiler(
  hostPort: number,
): Promise<AsyncDisposable & { port: number; spoil: () => void }> {
  const ends: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const host = connect({ port: hostPort, allowHalfOpen: true });
    ends.push(client, host);
    for (const socket of ends) socket.on("error", () => undefined);
    client.pipe(host, { end: false });
    host.pipe(client, { end: false });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    spoil() {
      const [client, host] = ends;
      host?.unpipe();
      client?.write(Buffer.alloc(1_000, "x"));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of ends) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("was not rejected with an error");
}
