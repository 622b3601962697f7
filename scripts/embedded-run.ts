/** The kit's main job, all of it on this computer. */
import { setTimeout as sleep } from "node:timers/promises";
import { type ChangeRow, renderChanges } from "./changes-table";
import { Cluster } from "./cluster";
import { liveChanges, printChanges } from "./live-changes";
import { LocalWorker } from "./local-worker";
import { chosenMajor, NEWEST_MAJOR } from "./postgres-major";
import { withProgress } from "./progress";
import { TodoApplication } from "./todo-application";
import {
  exampleRequest,
  prepareTodoSession,
  runTodoSession,
  sessionLength,
} from "./todo-session";

const database = "todo_app";
const timeoutMs = 60_000;

export interface EmbeddedRunOptions {
  /** Ends after the table. */
  readonly once: boolean;
  readonly interrupted: AbortSignal;
}

export async function runEmbedded(options: EmbeddedRunOptions): Promise<void> {
  const { once, interrupted } = options;
  const major = chosenMajor() ?? NEWEST_MAJOR;
  await using cluster = await withProgress(`Starting PostgreSQL ${major}`, () =>
    Cluster.start({ major }),
  );
  await cluster.createDatabase(database);
  // Not closed: it ends with the cluster.
  const client = await cluster.client(database);

  // Before the worker, so that the rows of its migrations are no changes.
  await using application = TodoApplication.spawn(cluster.url(database));
  const url = await withProgress("Starting the to-do application", () =>
    application.listening({ interrupted, timeoutMs }),
  );
  await prepareTodoSession(client);
  interrupted.throwIfAborted();

  await using worker = LocalWorker.spawn(environment(cluster));
  await withProgress("Starting the worker", () =>
    worker.streaming({ interrupted, timeoutMs }),
  );
  const changes = liveChanges(client, { database, signal: interrupted });
  const rows = await withProgress("Running a to-do session", async () => {
    await Promise.race([application.failed, runTodoSession(url)]);
    return await Promise.race([
      worker.failed,
      tooLate(),
      take(changes, sessionLength),
    ]);
  });
  interrupted.throwIfAborted();
  console.log(`\n${renderChanges(rows, process.stdout.columns)}\n`);
  if (once) return;

  console.log(invitation(cluster.url(database), url));
  await Promise.race([
    worker.failed,
    application.failed,
    printChanges(changes),
  ]);
}

/** Nothing of the user's own variables, which may be meant for another database. */
function environment(cluster: Cluster): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    DB_HOST: cluster.host,
    DB_PORT: String(cluster.port),
    DB_NAME: database,
    DB_USER: cluster.user,
    DB_PASSWORD: cluster.password,
    HTTP_PORT: "0",
    LOG_LEVEL: process.env.LOG_LEVEL ?? "info",
  };
}

async function take(
  changes: AsyncGenerator<ChangeRow>,
  count: number,
): Promise<ChangeRow[]> {
  const rows: ChangeRow[] = [];
  while (rows.length < count) {
    const next = await changes.next();
    if (next.done) break;
    rows.push(next.value);
  }
  return rows;
}

async function tooLate(): Promise<never> {
  await sleep(timeoutMs, undefined, { ref: false });
  throw new Error(
    `The worker runs, but the session's changes are not in the table after ${timeoutMs / 1000} s. Run it again with LOG_LEVEL=debug, and report what the worker says.`,
  );
}

function invitation(databaseUrl: string, applicationUrl: string): string {
  return `Every further change appears below. Try your own SQL in another terminal:

  psql ${databaseUrl} -c "UPDATE todo SET task = 'Nap' WHERE id = 28"

or the application, which passes its context (mikro-orm/example):

  ${exampleRequest(applicationUrl)}

Ctrl-C stops everything and leaves nothing behind.
`;
}
