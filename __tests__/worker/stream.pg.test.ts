/** What is read from the stream itself: contexts, times, transaction ids. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { escapeIdentifier } from "pg";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { openReplication } from "../../worker/stream/replication";
import { createSource } from "../support/source";
import { stitcher } from "../support/stitching";
import { TrackedDatabase } from "../support/tracked-database";

describe("on PostgreSQL 18", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const settings = { fsync: "off", track_commit_timestamp: "on" };
    cluster = await Cluster.start({ settings });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("each row of 10,000 transactions has its own context, of 1 to 60 kB", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY, hash text, body text)",
      env: { INDEX_VALUES: "off" },
    });
    // Mostly small, up to 60 kB: frames end anywhere in the driver's buffer.
    await tracked.sql(`
      DO $$
      DECLARE context text;
      BEGIN
        FOR i IN 1..10000 LOOP
          context := json_build_object('id', i, 'pad',
            left(repeat(md5(i::text), 1900), 1000 + (i * 7919) % (CASE WHEN i % 8 = 0 THEN 59000 ELSE 4000 END)));
          PERFORM pg_logical_emit_message(true, '_bemi', context);
          INSERT INTO t VALUES (i, md5(context::jsonb::text), repeat(md5((-i)::text), (i * 104729) % 150));
          COMMIT;
        END LOOP;
      END $$`);
    await tracked.caughtUp();
    const { rows } = await tracked.destination.client.query(`
      SELECT count(*)::int AS rows,
             count(*) FILTER (WHERE md5(context::text) = after->>'hash' AND context->>'id' = primary_key)::int AS own,
             (sum(octet_length(context::text)) / 1e6)::int AS megabytes
        FROM changes WHERE "table" = 't'`);
    expect(rows[0]).toMatchObject({ rows: 10_000, own: 10_000 });
    expect(rows[0].megabytes).toBeGreaterThan(60);
  });

  test.each(["Pub9", 'one", "two', "it's, quoted"])(
    "a publication with the name %s is the one that is read",
    async (publicationName) => {
      await using source = await createSource(cluster);
      const { client, database } = source;
      await client.query(`
      CREATE TABLE t (id int PRIMARY KEY);
      CREATE PUBLICATION ${escapeIdentifier(publicationName)} FOR TABLE t`);
      await client.query(
        "SELECT pg_create_logical_replication_slot($1, 'pgoutput')",
        [database],
      );
      await client.query("INSERT INTO t VALUES (1)");
      const { host, port, user, password } = cluster;
      await using stream = await openReplication({
        config: { host, port, user, password, database },
        slotName: database,
        publicationName,
        start: 0n,
        limitBytes: 1_000_000,
        maxValueBytes: 1_000_000,
        prepare: async () => undefined,
        connectAgain: () => cluster.client(database),
      });
      const reader = stitcher();
      await eventually("the row", async () => {
        const block = stream.frames.take();
        if (block) await reader.read(block);
        return reader.hasFinished;
      });
      expect(reader.take(1)).toMatchObject({ rowCount: 1 });
    },
  );

  test.each([
    ["0", true],
    ["10min", true],
    ["60s", false],
    ["4s", false],
  ])(
    "with wal_sender_timeout %s the stream sets one of its own: %s",
    async (timeout, isShortened) => {
      await using source = await createSource(cluster);
      const { client, database } = source;
      await client.query("CREATE PUBLICATION bemi");
      await client.query(
        "SELECT pg_create_logical_replication_slot($1, 'pgoutput')",
        [database],
      );
      const { host, port, user, password } = cluster;
      const asked: unknown[] = [];
      await using _stream = await openReplication({
        config: { host, port, user, password, database },
        slotName: database,
        publicationName: "bemi",
        start: 0n,
        limitBytes: 1_000_000,
        maxValueBytes: 1_000_000,
        prepare: async (session) => {
          await session.query(`SET wal_sender_timeout = '${timeout}'`);
          const query = session.query.bind(session);
          session.query = ((text: string) => {
            asked.push(text);
            return query(text);
          }) as typeof session.query;
        },
        connectAgain: () => cluster.client(database),
      });
      expect(asked.includes("SET wal_sender_timeout = 60000")).toBe(
        isShortened,
      );
    },
  );

  test("committed_at is the commit's time to the microsecond", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: "CREATE TABLE t (id int PRIMARY KEY)",
    });
    for (let id = 0; id < 100; id++) {
      await tracked.sql(`INSERT INTO t VALUES (${id})`);
    }
    await tracked.caughtUp();
    const at = "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')";
    const { rows: committed } = await tracked.source.client.query(
      `SELECT ${at} AS at, xmin::text AS xid FROM (SELECT id, xmin, pg_xact_commit_timestamp(xmin) AS at FROM t) x ORDER BY id`,
    );
    const { rows: recorded } = await tracked.destination.client.query(
      `SELECT ${at} AS at, transaction_id::text AS xid FROM (SELECT *, committed_at AS at FROM changes) x WHERE "table" = 't' ORDER BY id`,
    );
    expect(recorded).toEqual(committed);
    // Not all of them by chance at a whole millisecond.
    expect(committed.some((row) => !row.at.endsWith("000"))).toBe(true);
  });
});

const resetwal = "/usr/lib/postgresql/15/bin/pg_resetwal";
const withResetwal =
  existsSync(resetwal) || process.env.CI
    ? test
    : // Its name in the report says why.
      test.skip;

withResetwal(
  `transaction ids and OIDs above 2^31 are read as such (needs ${resetwal})`,
  async () => {
    await using cluster = await Cluster.start({
      major: 15,
      settings: { fsync: "off", autovacuum: "off" },
    });
    const databases = ["postgres", "template1"];
    for (const database of databases) {
      const client = await cluster.client(database);
      await client.query("VACUUM (FREEZE)");
      await client.end();
    }
    await cluster.stop();
    await resetCounters(cluster, BEYOND_SIGNED);
    await cluster.startAgain();

    await using tracked = await TrackedDatabase.start(cluster, {
      // Only the catalogue, asked by OID, knows this key.
      schema: "CREATE TABLE t (note text, code int PRIMARY KEY)",
    });
    await tracked.sql("INSERT INTO t VALUES ('a', 7)");
    await tracked.caughtUp();
    const { rows } = await tracked.source.client.query(
      "SELECT xmin::text AS xid, tableoid::int8 AS oid FROM t",
    );
    expect(Number(rows[0].oid)).toBeGreaterThan(BEYOND_SIGNED);
    const { rows: recorded } = await tracked.destination.client.query(
      `SELECT transaction_id::text AS xid, primary_key AS key FROM changes WHERE "table" = 't'`,
    );
    expect(recorded).toEqual([{ xid: rows[0].xid, key: "7" }]);
    expect(Number(recorded[0].xid)).toBeGreaterThanOrEqual(BEYOND_SIGNED);
  },
);

const BEYOND_SIGNED = 3_000_000_000;

/**
 * Of a stopped server: the next transaction, with the page that notes its fate,
 * and the next OID.
 */
async function resetCounters(cluster: Cluster, next: number) {
  const { dataFolder } = cluster;
  const { uid, gid } = await stat(dataFolder);
  await promisify(execFile)(
    resetwal,
    ["-f", "-x", String(next), "-o", String(next), "-D", dataFolder],
    { uid, gid, cwd: dataFolder, env: { LC_ALL: "C" } },
  );
  const segmentBytes = 32 * 8192;
  const segment = Math.floor(next / (segmentBytes * 4));
  const name = segment.toString(16).toUpperCase().padStart(4, "0");
  const path = join(dataFolder, "pg_xact", name);
  await writeFile(path, Buffer.alloc(segmentBytes));
  await chown(path, uid, gid);
}
