/**
 * A role's password that changes while the worker runs: the new one is
 * used without a hand, and the old one is tried a few times at the most, as the
 * server's own log counts it.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { workerContainers } from "../../constructs/worker-container";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { addressOf, healthOf } from "../support/health";
import { Trail } from "../support/trail";
import type { WorkerProcess } from "../support/worker-process";

const MAX_FAILED_LOGINS = 5;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { max_connections: 100 } });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

type Side = "DB" | "DEST_DB";

/** A trail whose worker has a role of its own on some sides. */
async function arrange(sides: readonly Side[]) {
  const trail = await Trail.create({
    source: cluster,
    destination: cluster,
    tables: "CREATE TABLE note (id int PRIMARY KEY)",
  });
  const role = trail.slot;
  const set = (password: string) =>
    trail.source.query(`ALTER ROLE ${role} PASSWORD '${password}'`);
  await trail.source.query(`CREATE ROLE ${role} SUPERUSER LOGIN`);
  await set("first");
  const file = join(mkdtempSync(join(tmpdir(), "password-")), "password");
  writeFileSync(file, "first\n");
  const having = (variable: "PASSWORD" | "PASSWORD_FILE", value: string) =>
    Object.fromEntries(
      sides.flatMap((side) => [
        [`${side}_USER`, role],
        [`${side}_${variable}`, value],
      ]),
    );
  return {
    trail,
    set,
    write: (text: string) => writeFileSync(file, text),
    fromFile: having("PASSWORD_FILE", file),
    fromVariable: (password: string) => having("PASSWORD", password),
    insert: (id: number) =>
      trail.source.query(`INSERT INTO note VALUES (${id})`),
    /** Ends the worker's sessions, as a restart of the server does. */
    endSessions: () =>
      trail.source.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
      ),
    async failedLogins(): Promise<number> {
      const log = await readFile(cluster.logPath, "utf8");
      const line = `password authentication failed for user "${role}"`;
      return log.split(line).length - 1;
    },
  };
}

const waits = (worker: WorkerProcess) =>
  eventually("it is unhealthy, and says why", async () => {
    const { status, state, problem = "" } = await healthOf(worker);
    return (
      status === 503 &&
      state === "waiting" &&
      problem.includes("rejects the password")
    );
  });

const healthy = (worker: WorkerProcess) =>
  eventually("healthy", async () => (await healthOf(worker)).status === 200);

const noFatal = (worker: WorkerProcess) =>
  expect(worker.lines.map(({ level }) => level)).not.toContain("fatal");

test.concurrent.each<[string, readonly Side[]]>([
  ["at the source", ["DB"]],
  ["at the destination", ["DEST_DB"]],
  ["at both, with one role", ["DB", "DEST_DB"]],
])(
  "%s: another password in the file is used at once",
  async (_where, sides) => {
    const it = await arrange(sides);
    await using trail = it.trail;
    const worker = await trail.streaming(it.fromFile);
    await it.insert(1);
    await trail.reached(1);

    await it.set("second");
    await it.endSessions();
    // A destination that has nothing to store is not asked for anything.
    await it.insert(2);
    await waits(worker);
    const said = await worker.log("rejects the password");
    expect(said.msg).toContain(`${sides.at(-1)}_PASSWORD_FILE`);
    expect(said.retryInMs).toBeGreaterThanOrEqual(7_500);
    // Whoever writes it may be interrupted.
    it.write("");
    it.write("sec");
    it.write("second\n");
    await healthy(worker);
    await trail.reached(2);
    // Only what was tried before the file had it: no second try of the first.
    expect(await it.failedLogins()).toBe(1);
    noFatal(worker);
  },
);

test.concurrent("a file that is ahead of the role is tried again", async () => {
  const it = await arrange(["DB"]);
  await using trail = it.trail;
  const worker = await trail.streaming(it.fromFile);
  it.write("second");
  await it.endSessions();
  await waits(worker);
  await it.insert(1);
  await it.set("second");
  await healthy(worker);
  await trail.reached(1);
  const failed = await it.failedLogins();
  expect(failed).toBeGreaterThanOrEqual(1);
  expect(failed).toBeLessThanOrEqual(MAX_FAILED_LOGINS);
  noFatal(worker);
});

test.concurrent("sessions that are not ended stream on, whatever the password is", async () => {
  const it = await arrange(["DB", "DEST_DB"]);
  await using trail = it.trail;
  const worker = await trail.streaming(it.fromVariable("first"));
  await it.set("second");
  await it.insert(1);
  await trail.reached(1);
  expect((await healthOf(worker)).status).toBe(200);
});

test.concurrent.each<[string, readonly Side[]]>([
  ["at the source", ["DB"]],
  ["at the destination", ["DEST_DB"]],
])(
  "%s: a task is unhealthy to its container's check, and its successor has the new password",
  async (_where, sides) => {
    const it = await arrange(sides);
    await using trail = it.trail;
    const worker = await trail.streaming(it.fromVariable("first"));
    await containerCheck(worker);
    await it.set("second");
    await it.endSessions();
    await it.insert(1);
    // What ECS does: three checks fail, the task is stopped, another one begins
    // with what the secret is then. Here without the half minutes in between.
    await waits(worker);
    for (let i = 0; i < 3; i++) {
      await expect(containerCheck(worker)).rejects.toThrow();
    }
    worker.signal("SIGTERM");
    expect(await worker.exited).toEqual({ code: 0, signal: null });

    const early = trail.start(it.fromVariable("first"));
    expect((await early.exited).code).toBe(2);
    expect(early.lines.at(-1)?.msg).toContain("rejects the password");

    const successor = await trail.streaming(it.fromVariable("second"));
    await containerCheck(successor);
    await trail.reached(1);
    const failed = await it.failedLogins();
    expect(failed).toBeGreaterThanOrEqual(2);
    expect(failed).toBeLessThanOrEqual(MAX_FAILED_LOGINS);
  },
);

/** The check of the task definition, with this worker's port. Rejects at 1. */
async function containerCheck(worker: WorkerProcess): Promise<void> {
  const { port } = new URL(await addressOf(worker));
  const [container] = JSON.parse(
    workerContainers({
      image: "x",
      environment: {},
      secrets: {},
      healthPort: Number(port),
      log: { groupName: "x", region: "x", streamPrefix: "x" },
    }),
  );
  const [kind, _node, ...args] = container.healthCheck.command;
  expect(kind).toBe("CMD");
  await promisify(execFile)(process.execPath, args);
}
