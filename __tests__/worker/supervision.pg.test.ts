/** What the worker waits out, seen from outside: process, health and rows. */
import type { Client, ClientConfig } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { runCommand } from "../support/command";
import { healthOf } from "../support/health";
import { testedMajors } from "../support/majors";
import { WorkerProcess, workerEnvironment } from "../support/worker-process";

let source: Cluster;
let destination: Cluster;
beforeAll(async () => {
  [source, destination] = await Promise.all([
    Cluster.start({ settings: { max_wal_senders: 4 } }),
    Cluster.start(),
  ]);
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await destination[Symbol.asyncDispose]();
});

let count = 0;

/** A source database with a table, and the environment to track it. */
async function arrange(): Promise<{
  readonly name: string;
  readonly env: Record<string, string>;
}> {
  const name = `watched_${++count}`;
  for (const cluster of [source, destination])
    await cluster.createDatabase(name);
  await write(name, "CREATE TABLE note (id int PRIMARY KEY)");
  const there = { cluster: destination, database: name };
  return {
    name,
    env: workerEnvironment(source, name, there, { SLOT_NAME: name }),
  };
}

async function on<T>(
  cluster: Cluster,
  database: string,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await cluster.client(database);
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

const write = (database: string, sql: string) =>
  on(source, database, (client) => client.query(sql));

const stored = (database: string) =>
  on(destination, database, async (client) => {
    const { rows } = await client.query(
      "SELECT (after->>'id')::int AS id FROM changes ORDER BY changes.id",
    );
    return rows.map(({ id }) => id);
  });

const arrived = (name: string, ids: readonly number[]) =>
  eventually(`${ids} in ${name}`, async () => {
    const got = await stored(name);
    return JSON.stringify(got) === JSON.stringify(ids);
  });

const unhealthy = (worker: WorkerProcess, reason: RegExp) =>
  eventually(`unhealthy: ${reason}`, async () => {
    const health = await healthOf(worker);
    return (
      health.status === 503 &&
      health.state === "waiting" &&
      reason.test(health.problem ?? "") &&
      health
    );
  });

const healthy = (worker: WorkerProcess) =>
  eventually("healthy", async () => (await healthOf(worker)).status === 200);

test("a second worker waits for the slot, and takes over when the first one stops", async () => {
  const { name, env } = await arrange();
  await using first = WorkerProcess.start(env);
  await first.log("streaming");
  await using second = WorkerProcess.start(env);
  await unhealthy(second, /the slot is in use: another worker runs/);
  expect((await healthOf(first)).status).toBe(200);
  await write(name, "INSERT INTO note VALUES (1)");
  await arrived(name, [1]);
  first.signal("SIGTERM");
  expect(await first.exited).toEqual({ code: 0, signal: null });
  await second.log("streaming");
  await write(name, "INSERT INTO note VALUES (2)");
  await arrived(name, [1, 2]);
  expect(second.lines.map(({ level }) => level)).not.toContain("fatal");
});

test("a source that is stopped and started again", async () => {
  const { name, env } = await arrange();
  await using worker = WorkerProcess.start(env);
  await worker.log("streaming");
  await write(name, "INSERT INTO note VALUES (1)");
  await arrived(name, [1]);
  await source.stop("immediate");
  await unhealthy(worker, /refuses connections/);
  await source.startAgain();
  await healthy(worker);
  await write(name, "INSERT INTO note VALUES (2)");
  await arrived(name, [1, 2]);
});

test("a destination that is stopped and started again", async () => {
  const { name, env } = await arrange();
  await using worker = WorkerProcess.start(env);
  await worker.log("streaming");
  await write(name, "INSERT INTO note VALUES (1)");
  await arrived(name, [1]);
  await destination.stop("immediate");
  await write(name, "INSERT INTO note VALUES (2)");
  await unhealthy(worker, /refuses connections .*DEST_DB_HOST/);
  await destination.startAgain();
  await healthy(worker);
  await arrived(name, [1, 2]);
});

test("a trail that finds no free WAL sender says so, tries again, and goes on", async () => {
  const { env } = await arrange();
  {
    await using worker = WorkerProcess.start(env);
    await worker.log("streaming");
    worker.signal("SIGTERM");
    await worker.exited;
  }
  const others = await fillWalSenders();
  await using worker = WorkerProcess.start(env);
  const said = await worker.log("has no connection free");
  expect(said.msg).toContain("max_wal_senders");
  await unhealthy(worker, /53300/);
  for (const other of others) await other.end();
  await worker.log("streaming");
});

async function fillWalSenders(): Promise<Client[]> {
  const others: Client[] = [];
  const { host, port, user, password } = source;
  const replication = { host, port, user, password, replication: "true" };
  for (;;) {
    try {
      others.push(await source.client("postgres", replication as ClientConfig));
    } catch {
      return others;
    }
  }
}

// 17 ends the stream with an error, 18 only warns; the way out is the one
// of docs/operations.md.
test.each(testedMajors(17, 18))(
  "on PostgreSQL %i a dropped publication ends the worker, and the documented way leads out of it",
  async (major) => {
    await using cluster = await Cluster.start({ major });
    const client = await cluster.client();
    await client.query("CREATE TABLE note (id int PRIMARY KEY)");
    const env = workerEnvironment(cluster, "postgres");
    const expectRefusal = async () => {
      await using worker = WorkerProcess.start(env);
      expect((await worker.exited).code).toBe(3);
      expect(worker.lines.at(-1)).toMatchObject({
        level: "fatal",
        exitCode: 3,
        msg: expect.stringContaining("was missing when changes"),
        remedy: expect.stringContaining("“Publication dropped”"),
      });
    };
    {
      await using worker = WorkerProcess.start(env);
      await worker.log("streaming");
      worker.signal("SIGTERM");
      await worker.exited;
    }
    await client.query("DROP PUBLICATION bemi");
    await client.query("INSERT INTO note VALUES (1)");
    expect((await runCommand(env)).last?.msg).toContain("does not exist");
    expect((await runCommand(env, "setup")).code).toBe(0);
    await client.query("INSERT INTO note VALUES (2)");
    await expectRefusal();
    await expectRefusal();
    await client.query("SELECT pg_drop_replication_slot('bemi')");
    const gap = ["gap", "--reason", "publication dropped", "--yes"];
    expect((await runCommand(env, ...gap)).code).toBe(0);
    await using worker = WorkerProcess.start(env);
    await worker.log("streaming");
    await client.query("INSERT INTO note VALUES (3)");
    await eventually("the change after the gap", async () => {
      const { rows } = await client.query(
        "SELECT after->>'id' AS id FROM changes",
      );
      return JSON.stringify(rows) === '[{"id":"3"}]';
    });
    await client.end();
  },
);

test("a set-up that waits for a transaction ends at Ctrl-C", async () => {
  const { name, env } = await arrange();
  await on(source, name, async (writer) => {
    await writer.query("BEGIN; SELECT pg_current_xact_id()");
    await using setup = WorkerProcess.start(env, { args: ["setup"] });
    await setup.log("set up the event trigger");
    setup.signal("SIGINT");
    expect(await setup.exited).toEqual({ code: 1, signal: null });
  });
});
