/**
 * Which silence of a connection is taken for its end: that of a line on
 * which nothing passes, and never that of a server which is busy.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type CopyStreamQuery, from as copyFrom } from "pg-copy-streams";
import { Cluster } from "../../scripts/cluster";
import { FaultProxy } from "../../scripts/soak/fault-proxy";
import { connect, connectionConfig } from "../../worker/network/connect";
import { watch } from "../../worker/network/watchdog";
import { Releases } from "../../worker/releases";
import { readSettings } from "../../worker/settings/settings";

const TICK_MS = 1_000;
/** Long enough for four looks. */
const SILENCE_MS = 11_000;
const HALF_OPEN = /half open: nothing came for \d+ s/;

const releases = new Releases();
let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
  releases.use(cluster);
  const client = await cluster.client();
  await client.query(`
    CREATE TABLE t (text text);
    CREATE TABLE locked ();
    CREATE ROLE single LOGIN PASSWORD 'secret' CONNECTION LIMIT 1;
    ALTER ROLE single NOSUPERUSER`);
  await client.end();
});
afterAll(() => releases[Symbol.asyncDispose]());

/** A watched client that connects through a proxy, as its looks do. */
async function watched(rests?: () => boolean) {
  const proxy = releases.use(await FaultProxy.start(cluster));
  const connectAgain = () => cluster.client("postgres", { port: proxy.port });
  const client = await connectAgain();
  watch(client, { tickMs: TICK_MS, connectAgain, ...(rests && { rests }) });
  return { proxy, client };
}

function written(copy: CopyStreamQuery, line: string): Promise<unknown> {
  return new Promise((resolve) => copy.write(line, resolve));
}

function ended(copy: CopyStreamQuery): Promise<void> {
  return new Promise((resolve, reject) => {
    copy.on("error", reject);
    copy.end(resolve);
  });
}

describe("a connection lives on", () => {
  test.concurrent("while a lock is waited for", async () => {
    const { client } = await watched();
    const locker = await cluster.client();
    await locker.query("BEGIN; LOCK TABLE locked");
    const waiting = client.query("SELECT count(*) FROM locked");
    await sleep(SILENCE_MS);
    await locker.query("COMMIT");
    expect((await waiting).rows).toEqual([{ count: "0" }]);
  });

  test.concurrent("while the server computes", async () => {
    const { client } = await watched();
    await client.query(
      `DO $$ BEGIN
         WHILE clock_timestamp() < now() + '${SILENCE_MS} ms'::interval LOOP END LOOP;
       END $$`,
    );
  });

  test.concurrent("while a COPY has nothing to send", async () => {
    const { client } = await watched();
    const copy = client.query(copyFrom("COPY t FROM STDIN"));
    await written(copy, "a\n");
    await sleep(SILENCE_MS);
    await ended(copy);
    expect(copy.rowCount).toBe(1);
  });

  test.concurrent("while a COPY is on a slow line", async () => {
    const { client, proxy } = await watched();
    const copy = client.query(copyFrom("COPY t FROM STDIN"));
    await written(copy, "a\n");
    proxy.begin({ kind: "throttle", bytesPerSecond: 1e6 });
    const line = `${"x".repeat(65_535)}\n`;
    for (let sent = 0; sent < SILENCE_MS; sent += 65) copy.write(line);
    await ended(copy);
    expect(copy.rowCount).toBeGreaterThan(150);
  });

  test.concurrent("while nobody reads it", async () => {
    let rests = true;
    const { client, proxy } = await watched(() => rests);
    proxy.begin({ kind: "stall" });
    const answer = client.query("SELECT 1 AS one");
    await sleep(SILENCE_MS);
    proxy.end();
    expect((await answer).rows).toEqual([{ one: 1 }]);
    rests = false;
  });

  test.concurrent("while the server takes no further log-ins", async () => {
    const login = { user: "single", password: "secret" };
    const connectAgain = () => cluster.client("postgres", login);
    const client = await connectAgain();
    await expect(connectAgain()).rejects.toMatchObject({ code: "53300" });
    watch(client, { tickMs: TICK_MS, connectAgain });
    await client.query(`SELECT pg_sleep(${SILENCE_MS / 1000})`);
  });
});

describe("a connection is given up", () => {
  test.concurrent.each<[string, (proxy: FaultProxy) => void]>([
    [
      "when the server cannot be reached",
      (proxy) => proxy.begin({ kind: "blackHole" }),
    ],
    ["when only requests get lost", (proxy) => proxy.forget(["toServer"])],
    ["when only answers get lost", (proxy) => proxy.forget(["toClient"])],
  ])("%s", async (_, breakLine) => {
    const { client, proxy } = await watched();
    breakLine(proxy);
    const start = performance.now();
    await expect(client.query("SELECT 1")).rejects.toThrow(HALF_OPEN);
    expect(performance.now() - start).toBeLessThan(SILENCE_MS);
  });

  test.concurrent("when the end of a COPY gets lost", async () => {
    const { client, proxy } = await watched();
    const copy = client.query(copyFrom("COPY t FROM STDIN"));
    await written(copy, "a\n");
    proxy.forget(["toServer"]);
    await expect(ended(copy)).rejects.toThrow(HALF_OPEN);
  });

  test.concurrent("when its session is gone", async () => {
    const { client, proxy } = await watched();
    const { processID } = client as unknown as { processID: number };
    proxy.forget(["toClient"]);
    const query = client.query("SELECT pg_sleep(60)");
    const other = await cluster.client();
    await other.query("SELECT pg_terminate_backend($1)", [processID]);
    await expect(query).rejects.toThrow(HALF_OPEN);
  });
});

test("the server, too, asks whether a silent worker is there", async () => {
  const { host, port, user, password } = cluster;
  const { source } = readSettings({
    DB_HOST: host,
    DB_PORT: String(port),
    DB_NAME: "postgres",
    DB_USER: user,
    DB_PASSWORD: password,
  });
  const details = { applicationName: "test", options: "-c DateStyle=ISO" };
  const config = await connectionConfig(source, details);
  const client = await connect(source, config);
  const { rows } = await client.query(
    "SELECT name, setting FROM pg_settings WHERE name ~ '^tcp_keepalives' ORDER BY name",
  );
  expect(rows.map(({ name, setting }) => `${name} ${setting}`)).toEqual([
    "tcp_keepalives_count 3",
    "tcp_keepalives_idle 30",
    "tcp_keepalives_interval 10",
  ]);
  await client.end();
});
