/** How long each of the candidates takes to drain one and the same backlog. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Cluster } from "../cluster";
import { LoggedProcess } from "../logged-process";

const POLL_MS = 5;
const RSS_POLL_MS = 50;
/** A worker that found no source pauses up to half a minute between attempts. */
const SESSION_TIMEOUT_MS = 60_000;

export interface Drained {
  readonly seconds: number;
  readonly peakRssMiB: number;
}

export interface WorkerRun {
  /** The worker's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What goes before the command, to run it in another place. */
  readonly enter?: readonly string[];
  readonly nodeOptions?: readonly string[];
  /** @default - the bundle */
  readonly program?: readonly string[];
}

export interface RunningWorker extends AsyncDisposable {
  /** Waits for `done`; timed from the start of its session of that number. */
  drain(session: number, done: () => Promise<boolean>): Promise<Drained>;
}

/** A worker that streams, stopped at the end. */
export async function runningWorker({
  env,
  enter = [],
  nodeOptions = [],
  program = [BUNDLE],
}: WorkerRun): Promise<RunningWorker> {
  const [command = "", ...args] = [
    ...[...enter, process.execPath],
    ...[...nodeOptions, ...program],
  ];
  const worker = new LoggedProcess(command, args, {
    env: { PATH: process.env.PATH, ...env },
  });
  const sessions = () => worker.lines.filter(({ msg }) => msg === "streaming");
  const streamingSince = async (session: number): Promise<number> => {
    await worker.log(() => sessions().length >= session, SESSION_TIMEOUT_MS);
    // By the worker's word: it is read some milliseconds later.
    const saidAt = String(sessions()[session - 1]?.time);
    return Date.parse(saidAt) - performance.timeOrigin;
  };
  await streamingSince(1);
  return {
    async drain(session, done) {
      let peakRssMiB = 0;
      const sampling = setInterval(() => {
        peakRssMiB = Math.max(peakRssMiB, rssMiB(worker.pid));
      }, RSS_POLL_MS);
      try {
        const start = await streamingSince(session);
        while (!(await done())) {
          if (worker.hasExited)
            throw new Error(`the worker ended: ${worker.lastWords()}`);
          await sleep(POLL_MS);
        }
        return { seconds: (performance.now() - start) / 1000, peakRssMiB };
      } finally {
        clearInterval(sampling);
      }
    },
    async [Symbol.asyncDispose]() {
      worker.signal("SIGTERM");
      await worker.exited;
    },
  };
}

/** Runs a worker until `done`, timed from the moment it streams. */
export async function drainWithWorker(
  run: WorkerRun,
  done: () => Promise<boolean>,
): Promise<Drained> {
  await using worker = await runningWorker(run);
  // Awaited here: the worker is stopped when this function is left.
  return await worker.drain(1, done);
}

/** Debian's postgresql-client-15 has it. */
export const PG_RECVLOGICAL = [
  "/usr/lib/postgresql/15/bin/pg_recvlogical",
  "/usr/bin/pg_recvlogical",
].find(existsSync);

/** Writes the slot's stream to a file up to `endLsn`, as it comes. */
export async function drainWithRecvlogical(
  source: Cluster,
  slot: { database: string; name: string; publication: string },
  endLsn: string,
): Promise<Drained> {
  if (!PG_RECVLOGICAL) throw new Error("pg_recvlogical is not installed");
  const file = join(tmpdir(), `bench-${process.pid}.recvlogical`);
  const start = performance.now();
  const child = spawn(
    PG_RECVLOGICAL,
    [
      ...["-h", source.host, "-p", String(source.port), "-U", source.user],
      ...["-d", slot.database, "--slot", slot.name, "--start", "--no-loop"],
      ...["-o", "proto_version=1", "-o", "messages=true"],
      ...["-o", `publication_names=${slot.publication}`],
      ...["--endpos", endLsn, "-f", file],
    ],
    { env: { ...process.env, PGPASSWORD: source.password }, stdio: "inherit" },
  );
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - start) / 1000;
  rmSync(file, { force: true });
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
  return { seconds, peakRssMiB: 0 };
}

/**
 * Copies the finished rows of `changes` into an identical empty table, by the
 * server itself from a file: the least that storing them can cost.
 */
export async function bareCopy(
  client: Client,
  serverFolder: string,
): Promise<number> {
  const file = await exportChanges(client, serverFolder);
  await emptyChanges(client);
  const start = performance.now();
  await client.query(`COPY public.changes FROM '${file}' (FORMAT binary)`);
  return (performance.now() - start) / 1000;
}

/** Writes the stored rows to a file of the server, in commit order. */
export async function exportChanges(
  client: Client,
  serverFolder: string,
): Promise<string> {
  const file = join(serverFolder, "changes.copy");
  await client.query(
    `COPY (SELECT * FROM public.changes ORDER BY id) TO '${file}' (FORMAT binary)`,
  );
  return file;
}

/** An empty `changes`, indexes and all, and nothing left to be written back. */
export async function emptyChanges(client: Client): Promise<void> {
  await client.query("TRUNCATE public.changes");
  await client.query("CHECKPOINT");
}

function rssMiB(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

const DIST = join(dirname(dirname(__dirname)), "dist");
const BUNDLE = join(DIST, "worker.js");
/** A bundle as well: with tsx the same code takes a third longer. */
export const DISCARD_BUNDLE = join(DIST, "discard-worker.js");
