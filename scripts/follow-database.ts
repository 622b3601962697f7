/** The worker on a database that is already there, by the worker's own variables. */
import { once } from "node:events";
import { Client } from "pg";
import { tlsOptions } from "../worker/network/tls";
import {
  type ConnectionSettings,
  readSettings,
} from "../worker/settings/settings";
import { liveChanges, newestChange, printChanges } from "./live-changes";
import { LocalWorker } from "./local-worker";
import { withProgress } from "./progress";

export interface FollowDatabaseOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly interrupted: AbortSignal;
}

export async function followDatabase(
  options: FollowDatabaseOptions,
): Promise<void> {
  const { env, interrupted } = options;
  await using worker = LocalWorker.spawn(env);
  await withProgress("Starting the worker", () =>
    worker.streaming({ interrupted }),
  );
  await Promise.race([worker.failed, follow(options)]);
}

/** Shows what arrives, if the destination can be reached from here too. */
async function follow({
  env,
  interrupted,
}: FollowDatabaseOptions): Promise<void> {
  const { source, destination } = readSettings(env);
  const client = await connect(destination).catch((error: Error) => error);
  if (client instanceof Error) {
    console.log(
      `The worker runs. Its destination is not reachable from here (${client.message}), so query "changes" there to see what arrives. Ctrl-C stops the worker.`,
    );
    if (!interrupted.aborted) await once(interrupted, "abort");
    return;
  }
  const { database } = source;
  const after = await newestChange(client, database);
  console.log(
    'The worker runs. Every change appears below, and in "changes". Ctrl-C stops it.\n',
  );
  const changes = liveChanges(client, { database, after, signal: interrupted });
  await printChanges(changes);
  await client.end();
}

async function connect(settings: ConnectionSettings): Promise<Client> {
  const { host, port, database, user, password, tls } = settings;
  const client = new Client({
    ...{ host, port, database, user, password },
    ssl: tlsOptions(tls),
  });
  // Seen by the next query.
  client.on("error", () => {});
  await client.connect();
  return client;
}
