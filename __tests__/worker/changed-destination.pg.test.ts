/**
 * What people do to `changes`, and to its locks and rows while the worker
 * writes: a clear sentence, or a delay, and never a change less or more.
 */
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { monthOf, partitionOf } from "../../worker/destination/partitions";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const schema = "CREATE TABLE item (id int PRIMARY KEY)";
const { name: partition, from, to } = partitionOf(monthOf(new Date()));

describe("a table that was altered stops the next start in one sentence, and is right again after the remedy:", () => {
  test.each<[string, string, string, string]>([
    [
      "a column that was dropped",
      "ALTER TABLE changes DROP COLUMN queued_at",
      'public.changes has no column "queued_at" any more',
      "ALTER TABLE changes ADD COLUMN queued_at timestamptz",
    ],
    [
      "a column that was renamed",
      `ALTER TABLE changes RENAME COLUMN "table" TO table_name`,
      'public.changes has no column "table" any more',
      `ALTER TABLE changes RENAME COLUMN table_name TO "table"`,
    ],
    [
      "a column of another type",
      "ALTER TABLE changes ALTER COLUMN transaction_id TYPE int",
      'public.changes."transaction_id" is integer; bigint is needed',
      "ALTER TABLE changes ALTER COLUMN transaction_id TYPE bigint",
    ],
    [
      "a further column that must be filled",
      "ALTER TABLE changes ADD COLUMN tenant text NOT NULL DEFAULT ''; ALTER TABLE changes ALTER COLUMN tenant DROP DEFAULT",
      'public.changes."tenant" is NOT NULL and has no default',
      "ALTER TABLE changes ALTER COLUMN tenant DROP NOT NULL",
    ],
    [
      "a partition that was detached",
      `ALTER TABLE changes DETACH PARTITION ${partition}`,
      `public.${partition} is there at the destination but is no partition`,
      `ALTER TABLE changes ATTACH PARTITION ${partition} FOR VALUES FROM ('${from}') TO ('${to}')`,
    ],
    [
      "a partition of somebody's in the place of ours",
      `DROP TABLE ${partition}; CREATE TABLE all_of_it PARTITION OF changes FOR VALUES FROM ('${from}') TO ('${to}')`,
      `public.${partition} cannot be made: another partition`,
      "DROP TABLE all_of_it",
    ],
    [
      "a default partition with rows of the month",
      `CREATE TABLE others PARTITION OF changes DEFAULT;
       WITH old AS (DELETE FROM changes RETURNING *) SELECT * INTO kept FROM old;
       DROP TABLE ${partition}; INSERT INTO changes SELECT * FROM kept`,
      `public.${partition} cannot be made: another partition`,
      "DROP TABLE others, kept",
    ],
    [
      "a table that is gone",
      "ALTER TABLE changes RENAME TO changes_before",
      "public.changes is gone, although this worker made it",
      "ALTER TABLE changes_before RENAME TO changes",
    ],
    [
      "a table that is no partitioned one any more",
      "ALTER TABLE changes RENAME TO changes_before; CREATE TABLE changes (LIKE changes_before INCLUDING ALL)",
      "public.changes is no partitioned table any more",
      "DROP TABLE changes; ALTER TABLE changes_before RENAME TO changes",
    ],
  ])("%s", async (_what, harm, sentence, cure) => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await tracked.sql("INSERT INTO item VALUES (1)");
    await tracked.caughtUp();
    await tracked.stopWorker();
    await tracked.destination.client.query(harm);
    await tracked.sql("INSERT INTO item VALUES (2)");
    await using refused = tracked.launchWorker();
    expect(await refused.exited).toMatchObject({ code: 3 });
    expect(refused.lines.at(-1)).toMatchObject({
      level: "fatal",
      exitCode: 3,
      msg: expect.stringContaining(sentence),
      remedy: expect.stringMatching(/./),
    });
    await tracked.destination.client.query(cure);
    await tracked.startWorker();
    await tracked.caughtUp();
    const items = await tracked.changes(`"table" = 'item'`);
    expect(items.at(-1)).toMatchObject({ after: '{"id": 2}' });
  });
});

test("a table that is altered under a running worker stops it as well, and nothing is lost", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  await tracked.destination.client.query(
    "ALTER TABLE changes DROP COLUMN queued_at",
  );
  await tracked.sql("INSERT INTO item VALUES (1)");
  expect(await tracked.worker?.exited).toMatchObject({ code: 3 });
  expect(tracked.worker?.lines.at(-1)?.msg).toContain('no column "queued_at"');
  await tracked.destination.client.query(
    "ALTER TABLE changes ADD COLUMN queued_at timestamptz",
  );
  await tracked.startWorker();
  await tracked.caughtUp();
  expect(await tracked.changes()).toHaveLength(1);
});

test("a partition that is dropped under a running worker is made again", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  await tracked.caughtUp();
  await tracked.destination.client.query(`DROP TABLE ${partition}`);
  await tracked.sql("INSERT INTO item VALUES (1)");
  await tracked.caughtUp();
  expect(await tracked.changes()).toHaveLength(1);
});

describe("Bemi's own schema", () => {
  test("is another trail's table, and stays as it is", async () => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await tracked.stopWorker();
    const { client } = tracked.destination;
    await client.query(`
      DROP TABLE changes, _bemi_migrations, _bemi_watermarks, _bemi_gaps, _bemi_schema_changes;
      CREATE TABLE changes (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz(0) NOT NULL,
        database varchar(255) NOT NULL, schema varchar(255) NOT NULL, "table" varchar(255) NOT NULL,
        primary_key varchar(255), operation text NOT NULL, before jsonb NOT NULL, after jsonb NOT NULL,
        context jsonb NOT NULL, committed_at timestamptz(0) NOT NULL, queued_at timestamptz(0) NOT NULL,
        transaction_id bigint NOT NULL, position bigint NOT NULL,
        UNIQUE (position, "table", schema, database, operation))`);
    await using refused = tracked.launchWorker();
    expect(await refused.exited).toMatchObject({ code: 3 });
    expect(refused.lines.at(-1)).toMatchObject({
      msg: expect.stringContaining(
        "the destination has a table public.changes that this worker did not make",
      ),
      remedy: expect.stringContaining("rename it"),
    });
    const { rows } = await client.query(
      "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE '%_bemi%'",
    );
    expect(rows).toEqual([]);
  });
});

/** Fails the first `times` writes of the worker with `code`. */
const failing = (code: string, times: number) => `
  CREATE SEQUENCE attempts;
  CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF nextval('attempts') <= ${times} THEN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER fail BEFORE INSERT ON changes FOR EACH STATEMENT EXECUTE FUNCTION fail()`;

describe("what passes by itself is tried again, and each change stored once:", () => {
  test.each([
    ["a deadlock", "40P01"],
    ["a serialization failure", "40001"],
    ["a lock that cannot be had", "55P03"],
    ["a query that somebody cancels", "57014"],
  ])("%s (%s)", async (_what, code) => {
    await using tracked = await TrackedDatabase.start(cluster, { schema });
    await tracked.destination.client.query(failing(code, 3));
    await tracked.sql("INSERT INTO item SELECT generate_series(1, 1000)");
    await tracked.sql("UPDATE item SET id = id + 1000 WHERE id <= 10");
    await tracked.caughtUp();
    const lines = tracked.worker?.lines.filter((line) => "retryInMs" in line);
    expect(lines?.map(({ error }) => error)).toMatchObject(
      Array.from({ length: 3 }, () => ({ sqlState: code })),
    );
    const { rows } = await tracked.destination.client.query(
      `SELECT count(*)::int AS count, count(DISTINCT changes.id)::int AS ids FROM changes WHERE "table" = 'item'`,
    );
    expect(rows).toEqual([{ count: 1010, ids: 1010 }]);
  });
});

test("a competitor that holds the watermark's row costs a delay", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  const competitor = await tracked.destination.session();
  await competitor.query("BEGIN; SELECT FROM _bemi_watermarks FOR UPDATE");
  await tracked.sql("INSERT INTO item SELECT generate_series(1, 1000)");
  await eventually("the worker waits for the row", async () => {
    const { rows } = await competitor.query(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    return rows.length > 0;
  });
  expect(await tracked.changes()).toEqual([]);
  await competitor.query("COMMIT");
  await tracked.caughtUp();
  expect(await tracked.changes()).toHaveLength(1000);
  expect(tracked.worker?.lines.some((line) => "retryInMs" in line)).toBe(false);
});

test("a competitor that moves the watermark ends the worker before it writes", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  await tracked.destination.client.query(
    "UPDATE _bemi_watermarks SET epoch = epoch + 1",
  );
  await tracked.sql("INSERT INTO item VALUES (1)");
  expect(await tracked.worker?.exited).toMatchObject({ code: 1 });
  expect(tracked.worker?.lines.at(-1)?.msg).toContain("fenced");
  expect(await tracked.changes()).toEqual([]);
});

test("a change that somebody has put in before stops the worker, and stays what it is", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  await tracked.sql("INSERT INTO item VALUES (1)");
  await tracked.caughtUp();
  const { client } = tracked.destination;
  // The id is known before the change: the trigger puts another's row in.
  await client.query(`
    CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.primary_key = '2' AND pg_trigger_depth() = 1 THEN
        INSERT INTO changes SELECT (jsonb_populate_record(NEW, '{"operation": "FORGED"}')).*;
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER forge BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION forge()`);
  await tracked.sql("INSERT INTO item SELECT generate_series(2, 500)");
  expect(await tracked.worker?.exited).toMatchObject({ code: 3 });
  expect(tracked.worker?.lines.at(-1)).toMatchObject({
    msg: expect.stringMatching(
      /^SQLSTATE 23505, .* the change [0-9a-f-]{36} is stored already/,
    ),
    remedy: expect.stringContaining("A change that is there already"),
  });
  expect(await tracked.changes()).toHaveLength(1);
  await client.query("DROP TRIGGER forge ON changes");
  await tracked.startWorker();
  await tracked.caughtUp();
  expect(await tracked.changes("operation = 'CREATE'")).toHaveLength(500);
});
