import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { Cluster } from "../../scripts/cluster";
import {
  type PostgresMajor,
  SUPPORTED_MAJORS,
} from "../../scripts/postgres-major";

const majors: PostgresMajor[] = [13, ...SUPPORTED_MAJORS];

test.each(majors)(
  "PostgreSQL %i starts with logical replication on and leaves nothing behind",
  async (major) => {
    const cluster = await Cluster.start({ major });
    const client = await cluster.client();
    const { rows } = await client.query(
      "SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('wal_level') AS wal, current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding",
    );
    expect(rows).toEqual([
      { major, wal: "logical", fsync: "on", encoding: "UTF8" },
    ]);

    const { pid } = cluster;
    await cluster[Symbol.asyncDispose]();
    expect(existsSync(dirname(cluster.dataFolder))).toBe(false);
    expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH");
  },
);

test("committed rows survive a crash, and the server comes back on its port", async () => {
  await using cluster = await Cluster.start();
  await cluster.createDatabase('a "quoted" name');
  const before = await cluster.client('a "quoted" name');
  await before.query("CREATE TABLE note AS SELECT 1 AS id");
  await cluster.stop("immediate");
  expect(cluster.pid).toBeUndefined();
  await expect(cluster.client()).rejects.toThrow("ECONNREFUSED");

  await cluster.startAgain();
  const after = await cluster.client('a "quoted" name');
  expect((await after.query("SELECT id FROM note")).rows).toEqual([{ id: 1 }]);
  await after.end();
});

test("settings go over the defaults, and ALTER SYSTEM over the settings", async () => {
  await using cluster = await Cluster.start({
    settings: { wal_level: "replica", application_name: "it's", fsync: false },
  });
  const client = await cluster.client();
  const show = async (name: string) =>
    (await client.query("SELECT current_setting($1)", [name])).rows[0]
      .current_setting;
  expect(await show("wal_level")).toBe("replica");
  expect(await show("application_name")).toBe("it's");
  expect(await show("fsync")).toBe("off");

  await client.query("ALTER SYSTEM SET wal_level = logical");
  await client.end();
  await cluster.stop();
  await cluster.startAgain();
  const again = await cluster.client();
  expect((await again.query("SHOW wal_level")).rows).toEqual([
    { wal_level: "logical" },
  ]);
  await again.end();
});

test("two clusters are two servers to the worker", async () => {
  await using one = await Cluster.start();
  await using two = await Cluster.start();
  expect(await systemIdentifier(one)).not.toBe(await systemIdentifier(two));
});

test("a server that cannot start says why", async () => {
  const start = Cluster.start({ settings: { shared_buffers: "much" } });
  await expect(start).rejects.toThrow(
    /invalid value for parameter "shared_buffers"/,
  );
});

async function systemIdentifier(cluster: Cluster): Promise<string> {
  const client = await cluster.client();
  const { rows } = await client.query(
    "SELECT system_identifier::text AS id FROM pg_control_system()",
  );
  await client.end();
  return rows[0].id;
}
