/** Copies of a cluster, which share its history up to the copy or further. */
import { execFile } from "node:child_process";
import { appendFile, chown, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Cluster, type ClusterOptions } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";

export interface CopyOptions extends Pick<ClusterOptions, "major"> {
  /** Lines of postgresql.conf, over the primary's. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Runs in the primary's data folder's copy, before the copy starts. */
  readonly prepare?: (dataFolder: string) => Promise<void>;
}

/** A streaming standby. The primary is stopped for the copy, and runs again. */
export async function startStandby(
  primary: Cluster,
  { settings, ...options }: CopyOptions = {},
): Promise<Cluster> {
  const { host, port, user, password } = primary;
  return startClone(primary, {
    ...options,
    settings: {
      // With the database's name, slots can be copied (17 and later).
      primary_conninfo: `host=${host} port=${port} user=${user} password=${password} dbname=postgres`,
      ...settings,
    },
    prepare: async (data) => {
      await options.prepare?.(data);
      await writeAsOwner(data, "standby.signal", "");
    },
  });
}

/** A copy of the disk that goes on by itself, as the primary does. */
export async function startClone(
  primary: Cluster,
  { major, settings = {}, prepare }: CopyOptions = {},
): Promise<Cluster> {
  const copy = await Cluster.start(major ? { major } : {});
  const data = copy.dataFolder;
  await Promise.all([primary.stop(), copy.stop()]);
  await rm(data, { recursive: true });
  // -a: it stays with the server's user, also when a root runs the tests.
  await promisify(execFile)("cp", ["-a", primary.dataFolder, data]);
  await primary.startAgain();
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value}'\n`,
  );
  await appendFile(join(data, "postgresql.conf"), lines.join(""));
  await prepare?.(data);
  // The copy has the primary's passwords, the object the copy's own.
  await writeFile(
    join(data, "pg_hba.conf"),
    "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n",
  );
  await copy.startAgain();
  return copy;
}

/** Waits until it is a primary. */
export async function promote(standby: Cluster): Promise<void> {
  const client = await standby.client();
  await client.query("SELECT pg_promote()");
  await promoted(standby);
  await client.end();
}

/** Waits until a standby has become a primary. */
export async function promoted(standby: Cluster): Promise<void> {
  const client = await standby.client();
  await eventually("the standby is promoted", async () => {
    const { rows } = await client.query("SELECT pg_is_in_recovery() AS yes");
    return rows[0].yes === false;
  });
  await client.end();
}

/** Waits until the standby has replayed what the primary has written by now. */
export async function caughtUp(
  standby: Cluster,
  primary: Cluster,
): Promise<void> {
  const [here, there] = await Promise.all([primary.client(), standby.client()]);
  const { rows } = await here.query("SELECT pg_current_wal_lsn()::text AS lsn");
  await eventually("the standby has everything", async () => {
    const replayed = await there.query(
      "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS yes",
      [rows[0].lsn],
    );
    return replayed.rows[0].yes;
  });
  await Promise.all([here.end(), there.end()]);
}

async function writeAsOwner(
  dataFolder: string,
  name: string,
  text: string,
): Promise<void> {
  const path = join(dataFolder, name);
  await writeFile(path, text);
  const { uid, gid } = await stat(dataFolder);
  if (process.getuid?.() === 0) await chown(path, uid, gid);
}
