/** The bundled worker as a process, for tests that start, watch, signal and kill it. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../../scripts/cluster";
import { LoggedProcess } from "../../scripts/logged-process";

const bundle = join(__dirname, "..", "..", "dist", "worker.js");

export interface WorkerProcessOptions {
  readonly nodeOptions?: readonly string[];
  /** The worker's own arguments: a subcommand and its options. */
  readonly args?: readonly string[];
}

export class WorkerProcess extends LoggedProcess {
  /** With nothing of this process's environment but PATH. */
  static start(
    env: Readonly<Record<string, string>>,
    { nodeOptions = [], args = [] }: WorkerProcessOptions = {},
  ): WorkerProcess {
    if (!existsSync(bundle))
      throw new Error(`${bundle} is missing; "npm run build" says why.`);
    const worker = new WorkerProcess(
      process.execPath,
      [...nodeOptions, bundle, ...args],
      { env: { PATH: process.env.PATH, ...env } },
    );
    // By this mark global-setup.ts ends what a test left running.
    const mark = join(tmpdir(), `${worker.pid}.pid`);
    writeFileSync(mark, String(worker.pid));
    worker.exited.then(
      () => rmSync(mark, { force: true }),
      () => {},
    );
    return worker;
  }
}

/** Variables for a worker between two databases; with no `destination`, one. */
export function workerEnvironment(
  source: Cluster,
  sourceDatabase: string,
  destination?: { readonly cluster: Cluster; readonly database: string },
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    ...connection("DB", source, sourceDatabase),
    ...(destination &&
      connection("DEST_DB", destination.cluster, destination.database)),
    HTTP_PORT: "0",
    ...extra,
  };
}

function connection(prefix: string, cluster: Cluster, database: string) {
  return {
    [`${prefix}_HOST`]: cluster.host,
    [`${prefix}_PORT`]: String(cluster.port),
    [`${prefix}_NAME`]: database,
    [`${prefix}_USER`]: cluster.user,
    [`${prefix}_PASSWORD`]: cluster.password,
  };
}
