import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { LoggedProcess } from "../../scripts/logged-process";

const root = dirname(dirname(__dirname));
const folder = mkdtempSync(join(tmpdir(), "start-"));
chmodSync(folder, 0o711);
let run: LoggedProcess;

function start(args: string[] = [], env: Record<string, string> = {}): void {
  run = new LoggedProcess(
    process.execPath,
    ["--import", "tsx", "scripts/start.ts", ...args],
    { cwd: root, env: { PATH: process.env.PATH, TMPDIR: folder, ...env } },
  );
}

// Not by SIGKILL, after which a failed test would leave a database running.
afterEach(async () => {
  run.signal("SIGINT");
  await run.exited;
});
afterAll(() => rmSync(folder, { recursive: true }));

test("--once shows the session's changes with their context, and leaves nothing behind", async () => {
  start(["--once"]);
  const started = await eventually("worker and database run", async () => {
    const processes = descendants(run.pid);
    return (
      workerIn(processes) && processIn(processes, "server.ts") && processes
    );
  });
  expect(await run.exited).toEqual({ code: 0, signal: null });
  expect(table(run.stdout)).toEqual([
    ["26", "CREATE", "{}", todo(26, "Sleep", false), "/todo", "POST"],
    ["27", "CREATE", "{}", todo(27, "Eat", false), "/todo", "POST"],
    ["28", "CREATE", "{}", todo(28, "Repeat", false), "/todo", "POST"],
    [
      "26",
      "UPDATE",
      todo(26, "Sleep", false),
      todo(26, "Sleep", true),
      "/todo/complete",
      "PUT",
    ],
    ["27", "DELETE", todo(27, "Eat", false), "{}", "/todo/27", "DELETE"],
  ]);
  await expectNothingLeft(started);
});

test("a change of one's own appears live, and Ctrl-C stops everything", async () => {
  start();
  const client = await connect(await invitation());
  await client.query(
    `BEGIN; SELECT pg_logical_emit_message(true, '_bemi', '{"user_id": 7}');
     INSERT INTO todo (task) VALUES ('Doze'); COMMIT`,
  );
  const line = await eventually("the change is shown", async () =>
    run.stdout.split("\n").find((text) => text.includes("Doze")),
  );
  expect(line).toMatch(
    /^29 \| todo \| CREATE \| \{\} \| \{"id": 29, .*"Doze".*\} \| \{"user_id": 7\} \| 2/,
  );

  const { url, init } = proposedRequest(run.stdout);
  expect((await fetch(url, init)).status).toBe(201);
  const requested = await eventually("the request is shown", async () =>
    run.stdout.split("\n").find((text) => text.includes('"id": 30')),
  );
  expect(requested).toMatch(
    /^30 \| todo \| CREATE \| \{\} \| \{"id": 30, "task": "Nap", "is_completed": false\} \| \{"user_id": 42, "endpoint": "\/todo", "method": "POST", "SQL": "insert into/,
  );

  const started = descendants(run.pid);
  run.signal("SIGINT");
  await sleep(20);
  run.signal("SIGINT"); // npm passes on what the terminal has sent already
  expect(await run.exited).toEqual({ code: 0, signal: null });
  await expectNothingLeft(started);
});

test("a second Ctrl-C does not wait for a worker that hangs", async () => {
  start();
  await invitation();
  const started = descendants(run.pid);
  process.kill(workerIn(started)?.pid ?? 0, "SIGSTOP");
  run.signal("SIGINT");
  await sleep(700); // longer than what counts as the same press
  run.signal("SIGINT");
  expect(await run.exited).toEqual({ code: 1, signal: null });
  await expectNothingLeft(started);
});

test.each([
  ["a worker", "worker/main.ts", "The worker ended"],
  ["an application", "server.ts", "The to-do application ended"],
])(
  "%s that dies ends the run with exit code 1",
  async (_, program, message) => {
    start();
    await invitation();
    const started = descendants(run.pid);
    process.kill(processIn(started, program)?.pid ?? 0, "SIGKILL");
    expect(await run.exited).toEqual({ code: 1, signal: null });
    expect(run.stderr).toContain(message);
    await expectNothingLeft(started);
  },
);

test("with DB_HOST the worker runs on that database, and its changes appear live", async () => {
  await using cluster = await Cluster.start();
  await cluster.createDatabase("shop");
  const client = await cluster.client("shop");
  await client.query("CREATE TABLE item (id int PRIMARY KEY)");
  start([], {
    DB_HOST: cluster.host,
    DB_PORT: String(cluster.port),
    DB_NAME: "shop",
    DB_USER: cluster.user,
    DB_PASSWORD: cluster.password,
    HTTP_PORT: "0",
  });
  await eventually("it follows", async () =>
    run.stdout.includes("The worker runs."),
  );
  await client.query("INSERT INTO item VALUES (41)");
  await eventually("the change is shown", async () =>
    run.stdout.includes('41 | item | CREATE | {} | {"id": 41}'),
  );
  run.signal("SIGINT");
  expect(await run.exited).toEqual({ code: 0, signal: null });
});

test.each([
  ["an unknown option", ["--twice"], {}, "unknown option '--twice'"],
  ["--once with DB_HOST", ["--once"], { DB_HOST: "127.0.0.1" }, "unset it"],
  ["a version that there is none of", [], { POSTGRES_MAJOR: "9" }, "14, 15"],
  ["a missing variable", [], { DB_HOST: "127.0.0.1" }, "DB_NAME"],
])("%s is wrong usage: exit code 2", async (_what, args, env, message) => {
  start(args, env);
  expect(await run.exited).toEqual({ code: 2, signal: null });
  expect(run.stderr).toContain(message);
});

/** The table's rows without headings, and of a context what is promised. */
function table(stdout: string): (string | undefined)[][] {
  const rows = stdout.split("\n").filter((line) => / \| todo +\| /.test(line));
  return rows.map((line) => {
    const cells = line.split(" | ").map((cell) => cell.trim());
    const [key, , operation, before, after, context, committedAt] = cells;
    expect(committedAt).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00$/);
    const { user_id, endpoint, method, SQL } = JSON.parse(context ?? "");
    expect(user_id).toBe(187234);
    // With placeholders for all values.
    expect(SQL).toMatch(/^(insert into|update|delete from) "todo" [^'\d]*$/);
    return [key, operation, before, after, endpoint, method];
  });
}

function todo(id: number, task: string, isCompleted: boolean): string {
  return `{"id": ${id}, "task": "${task}", "is_completed": ${isCompleted}}`;
}

/** Waits for the `psql` line; returns its URL. */
function invitation(): Promise<string> {
  return eventually("it invites to try", async () => {
    if (!run.stdout.includes("Ctrl-C")) return undefined;
    return /psql (postgres:\S+) -c "/.exec(run.stdout)?.[1];
  });
}

async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  client.on("error", () => {}); // it ends with the database
  await client.connect();
  return client;
}

interface Process {
  readonly pid: number;
  readonly command: string;
}

const workerIn = (processes: readonly Process[]) =>
  processIn(processes, "worker/main.ts");

function processIn(
  processes: readonly Process[],
  program: string,
): Process | undefined {
  return processes.find(({ command }) => command.endsWith(` ${program}`));
}

/** The `curl` line, as what it sends. */
function proposedRequest(stdout: string): { url: string; init: RequestInit } {
  const line = /^ *curl (\S+) -H '(.+)' -H '(.+)' -d '(.+)'$/m.exec(stdout);
  const [, url = "", user = "", type = "", body = ""] = line ?? [];
  const headers = [user, type].map((header) => header.split(": "));
  return {
    url,
    init: { method: "POST", headers: Object.fromEntries(headers), body },
  };
}

function descendants(ancestor: number): Process[] {
  const all = ps("-A", "-o", "pid=,ppid=,args=").map((line) => {
    const [pid, parent, ...command] = line.trim().split(/\s+/);
    return {
      pid: Number(pid),
      parent: Number(parent),
      command: command.join(" "),
    };
  });
  const below = (parent: number): Process[] =>
    all
      .filter((process) => process.parent === parent)
      .flatMap((process) => [process, ...below(process.pid)]);
  return below(ancestor).filter(({ command }) => !command.startsWith("ps "));
}

async function expectNothingLeft(started: readonly Process[]): Promise<void> {
  expect(started.length).toBeGreaterThan(5);
  const pids = started.map(({ pid }) => pid).join();
  await eventually("all processes are gone", async () =>
    // A zombie has ended too: a container's first process may collect it late.
    ps("-p", pids, "-o", "stat=").every((state) => state.startsWith("Z")),
  );
  const left = readdirSync(folder).filter((name) => name.startsWith("bemi-"));
  expect(left).toEqual([]);
}

function ps(...args: string[]): string[] {
  const { stdout } = spawnSync("ps", args, { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}
