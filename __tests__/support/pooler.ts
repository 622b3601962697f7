/** A real PgBouncer on loopback, in front of a cluster. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import type { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { freePort } from "../../scripts/free-port";

export const poolerPath = [
  "/usr/sbin/pgbouncer",
  "/usr/bin/pgbouncer",
  "/usr/local/bin/pgbouncer",
  "/opt/homebrew/bin/pgbouncer",
].find((path) => existsSync(path));

export interface Pooler extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

export async function startPooler(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
): Promise<Pooler> {
  const folder = await mkdtemp(join(tmpdir(), "pooler-"));
  const port = await freePort();
  const { host, user, password } = cluster;
  const file = (name: string) => join(folder, name);
  await writeFile(file("users.txt"), `"${user}" "${password}"\n`);
  const lines = Object.entries({
    listen_addr: host,
    listen_port: String(port),
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: file("users.txt"),
    logfile: file("log"),
    pidfile: file("pid"),
    ...settings,
  }).map(([name, value]) => `${name} = ${value}\n`);
  await writeFile(
    file("pgbouncer.ini"),
    `[databases]\n* = host=${host} port=${cluster.port}\n[pgbouncer]\n${lines.join("")}`,
  );
  // It refuses root; the server's user will do.
  const { uid, gid } = await stat(cluster.dataFolder);
  await chmod(folder, 0o700);
  for (const path of [folder, file("users.txt"), file("pgbouncer.ini")])
    await chown(path, uid, gid);
  const program = spawn(String(poolerPath), [file("pgbouncer.ini")], {
    cwd: folder,
    stdio: "ignore",
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
  const stop = async () => {
    await end(program);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await eventually("the pooler lets in", () =>
      answers({ host, port, user, password }),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, port, [Symbol.asyncDispose]: stop };
}

async function answers(
  login: ConstructorParameters<typeof Client>[0] & object,
): Promise<boolean> {
  const client = new Client({ ...login, database: "postgres" });
  client.on("error", () => undefined);
  await client.connect();
  await client.query("SELECT 1");
  await client.end();
  return true;
}

async function end(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const exited = once(program, "exit");
  program.kill("SIGKILL");
  await exited;
}
