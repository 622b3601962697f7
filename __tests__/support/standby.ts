/** A streaming standby of a cluster. */
import { execFile } from "node:child_process";
import { appendFile, chown, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Cluster } from "../../scripts/cluster";

/** The primary is stopped for the copy, and runs again. */
export async function startStandby(primary: Cluster): Promise<Cluster> {
  const standby = await Cluster.start();
  const data = standby.dataFolder;
  await Promise.all([primary.stop(), standby.stop()]);
  await rm(data, { recursive: true });
  // -a: it stays with the server's user, also when a root runs the tests.
  await promisify(execFile)("cp", ["-a", primary.dataFolder, data]);
  await primary.startAgain();
  const { host, port, user, password } = primary;
  await appendFile(
    join(data, "postgresql.conf"),
    `primary_conninfo = 'host=${host} port=${port} user=${user} password=${password}'\n`,
  );
  const signal = join(data, "standby.signal");
  await writeFile(signal, "");
  // The copy has the primary's passwords, the object the standby's.
  await writeFile(
    join(data, "pg_hba.conf"),
    "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n",
  );
  const { uid, gid } = await stat(data);
  if (process.getuid?.() === 0) await chown(signal, uid, gid);
  await standby.startAgain();
  return standby;
}
