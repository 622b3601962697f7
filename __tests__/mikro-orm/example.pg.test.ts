/**
 * The example application as a process of its own, on the real worker: hundreds
 * of requests side by side, and each change with the context of its request.
 */
import { readdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Cluster } from "../../scripts/cluster";
import { LoggedProcess } from "../../scripts/logged-process";
import { TrackedDatabase } from "../support/tracked-database";

const folder = join(__dirname, "../../mikro-orm/example");
const atOnce = 200;

/** Hostile to SQL, comments, placeholders and JSON; URLs hold ASCII only. */
const HOSTILE_URL = `?a=*/;drop+table+todo;--&b=??&c=?&d='"\\&e=%F0%9F%98%80`;
const HOSTILE_TASK = `*/; drop table todo; -- ?? \\? :id $1 ' " \\ /*Bemi {"user_id":1} Bemi*/ é 😀`;

const STATEMENTS = {
  POST: 'insert into "todo" ("task") values (?) returning "id", "is_completed"',
  PUT: 'update "todo" set "is_completed" = ? where "id" = ?',
  DELETE: 'delete from "todo" where "id" in (?)',
} as const;

interface Sent {
  readonly method: "GET" | keyof typeof STATEMENTS;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As it goes over the wire. */
  readonly body?: string;
}

interface Todo {
  readonly id: number;
  readonly task: string;
}

let cluster: Cluster;
let tracked: TrackedDatabase;
let application: LoggedProcess;
let url: URL;
const agent = new Agent({ keepAlive: true, maxSockets: atOnce });

beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
  tracked = await TrackedDatabase.start(cluster);
  application = new LoggedProcess(
    process.execPath,
    ["--import", "tsx", "server.ts"],
    {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: cluster.url(tracked.source.database),
        PORT: "0",
      },
    },
  );
  const [address] = await application.said(/http:\/\/\S+/, 60_000);
  url = new URL(address);
});
afterAll(async () => {
  agent.destroy();
  await application?.kill();
  await tracked?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** Not by `fetch`, which would make a harmless URL of a hostile one. */
async function send({ method, path, headers, body }: Sent) {
  return await new Promise<{ status: number | undefined; answer: string }>(
    (resolve, reject) => {
      request({ agent, host: url.hostname, port: url.port, method, path })
        .on("error", reject)
        .on("response", (response) => {
          const status = response.statusCode;
          text(response).then((answer) => resolve({ status, answer }), reject);
        })
        .setHeaders(
          new Map(
            Object.entries({
              "X-User-Id": "7",
              "Content-Type": "application/json",
              ...headers,
            }),
          ),
        )
        .end(body);
    },
  );
}

let count = 0;

/** A request under a name of its own, and the change that it is to make. */
async function change(
  method: keyof typeof STATEMENTS,
  todo?: Todo,
): Promise<{ todo: Todo; expected: unknown }> {
  count += 1;
  const name = `${count} */ ?? ' "`;
  const userId = 1_000 + (count % 17);
  const task = todo?.task ?? `${name} ${HOSTILE_TASK}`;
  const [path, body] = {
    POST: ["/todo", { task }],
    PUT: ["/todo/complete", { id: todo?.id }],
    DELETE: [`/todo/${todo?.id}`],
  }[method] as [string, object?];
  const endpoint = path + HOSTILE_URL;
  const { status, answer } = await send({
    method,
    path: endpoint,
    headers: { "X-User-Id": String(userId), "X-Request-Id": name },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (status !== { POST: 201, PUT: 200, DELETE: 204 }[method])
    throw new Error(`${method} ${path}: ${status} ${answer}`);
  const id = todo?.id ?? JSON.parse(answer).id;
  const row = (is_completed: boolean) => ({ id, task, is_completed });
  return {
    todo: { id, task },
    expected: {
      primary_key: String(id),
      before: method === "POST" ? {} : row(false),
      after: method === "DELETE" ? {} : row(method === "PUT"),
      context: {
        ...{ user_id: userId, endpoint, method, request_id: name },
        SQL: STATEMENTS[method],
      },
    },
  };
}

/** All of them, `atOnce` on their way at any time. */
async function sideBySide<T>(
  work: readonly (() => Promise<T>)[],
): Promise<T[]> {
  const results: T[] = [];
  const waiting = work.entries();
  const lane = async () => {
    for (const [n, one] of waiting) results[n] = await one();
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

async function changes(): Promise<unknown[]> {
  await tracked.caughtUp();
  const { rows } = await tracked.destination.client.query(
    `SELECT primary_key, before, after, context FROM changes
      WHERE "table" = 'todo' ORDER BY (context->>'request_id') COLLATE "C", id`,
  );
  return rows;
}

test.each<[string, Sent, number, string]>([
  ["no user", post("{}", { "X-User-Id": "" }), 401, "X-User-Id"],
  [
    "a user that is no number",
    post("{}", { "X-User-Id": "1;" }),
    401,
    "X-User",
  ],
  ["no task", post("{}"), 400, "task must be"],
  ["no JSON", post('{"task": "No'), 400, "JSON"],
  ["no object", post("[]"), 400, "task must be"],
  [
    "another type",
    post("task", { "Content-Type": "a/b" }),
    400,
    "task must be",
  ],
  ["an empty task", post('{"task": " "}'), 400, "task must be"],
  ["a task of a number", post('{"task": 1}'), 400, "task must be"],
  ["a long task", post(`{"task": "${"a".repeat(1001)}"}`), 400, "1000"],
  ["a task too long to read", post(" ".repeat(200_000)), 413, "too large"],
  ["NUL in a task", post('{"task": "a\\u0000"}'), 400, "NUL"],
  ["an id that nobody has", complete("2147483647"), 404, "not found"],
  ["an id beyond the type", complete("2147483648"), 400, "id must be"],
  ["no id", { method: "PUT", path: "/todo/complete" }, 400, "id must be"],
  ["an id of true", complete("true"), 400, "id must be"],
  ["half an id", complete("1.5"), 400, "id must be"],
  ["a list of ids", complete("[1, 2]"), 400, "id must be"],
  ["removal of nothing", { method: "DELETE", path: "/todo/0" }, 400, "id must"],
  ["removal of SQL", { method: "DELETE", path: "/todo/1;--" }, 400, "id must"],
  ["a broken URL", { method: "DELETE", path: "/todo/%ff" }, 400, "decode"],
  ["another page", { method: "GET", path: "/todos" }, 404, "Cannot GET"],
])("%s is refused, and changes nothing", async (_, sent, status, why) => {
  const before = await changes();
  const refused = await send(sent);
  expect(refused).toMatchObject({ status });
  expect(refused.answer).toContain(why);
  expect(await changes()).toEqual(before);
});

test("each of 750 changes, 200 at a time, has the context of its own request", async () => {
  const before = await changes();
  const made = await sideBySide(
    Array.from({ length: 300 }, () => () => change("POST")),
  );
  // Side by side with each other; none of them with another one of its row.
  const later = made.flatMap(({ todo }, n) => {
    if (n % 2 === 0) return [() => change("POST"), () => change("PUT", todo)];
    return [() => change("DELETE", todo)];
  });
  const all = [...made, ...(await sideBySide(later))];
  expect(all).toHaveLength(750);
  const sorted = all
    .map(({ expected }) => expected as { context: { request_id: string } })
    .sort((one, other) =>
      one.context.request_id < other.context.request_id ? -1 : 1,
    );
  expect(before).toEqual([]);
  expect(await changes()).toEqual(sorted);

  const { status, answer } = await send({ method: "GET", path: "/todo" });
  expect(status).toBe(200);
  expect(JSON.parse(answer)).toHaveLength(300);
});

test("nothing is warned of, no file is written, and it ends when asked to", async () => {
  application.signal("SIGTERM");
  expect(await application.exited).toEqual({ code: 0, signal: null });
  expect(application.stderr).toBe("");
  expect(readdirSync(join(folder, "migrations"))).toEqual([
    expect.stringMatching(/^Migration\d+_todo\.ts$/),
    expect.stringMatching(/^Migration\d+_bemi\.ts$/),
  ]);
});

function post(body: string, headers: Record<string, string> = {}): Sent {
  return { method: "POST", path: "/todo", body, headers };
}

function complete(id: string): Sent {
  return { method: "PUT", path: "/todo/complete", body: `{"id": ${id}}` };
}
