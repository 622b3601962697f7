/**
 * One poisonous row never blocks the trail and never vanishes from it:
 * everything that a destination may have against a row, end to end.
 */
import { Cluster } from "../../scripts/cluster";
import { readChangeId } from "../../scripts/soak/comparison";
import { addressOf, parseMetrics } from "../support/health";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    settings: { fsync: "off", max_wal_size: "4GB", shared_buffers: "128MB" },
  });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const ROWS = 10_000;
const BAD = 7_321;
const schema = "CREATE TABLE item (id text PRIMARY KEY, number int, note text)";

/** Rows 1 to ROWS, one of which has `note` for its note, and `key` for its key. */
function insert({ note = "'x'", key = "i::text" } = {}): string {
  return `
    INSERT INTO item
    SELECT CASE i WHEN ${BAD} THEN ${key} ELSE i::text END, i,
           CASE i WHEN ${BAD} THEN ${note} ELSE md5(i::text) END
      FROM generate_series(1, ${ROWS}) i`;
}

/** Everything as it was written but row BAD, and in its order. */
async function expectOthersIntact(
  tracked: TrackedDatabase,
): Promise<Record<string, unknown>> {
  const { rows } = await tracked.destination.client.query(
    `SELECT id, primary_key AS key, before, after, context FROM changes
      WHERE "table" = 'item' ORDER BY changes.id`,
  );
  const source = await tracked.source.client.query(
    "SELECT to_jsonb(item) AS after FROM item ORDER BY number",
  );
  expect(rows).toHaveLength(ROWS);
  expect(rows.map(({ id }) => readChangeId(id).ordinal)).toEqual(
    rows.map((_, index) => index + 1),
  );
  const others = (_: unknown, index: number) => index !== BAD - 1;
  expect(rows.map(({ after }) => after).filter(others)).toEqual(
    source.rows.map(({ after }) => after).filter(others),
  );
  return rows[BAD - 1];
}

const trigger = (body: string) => `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION refuse()`;
describe("one row in ten thousand is stored without its values, the others as they are, when it is refused", () => {
  test.each<[string, string, Parameters<typeof insert>[0], string]>([
    [
      "by a trigger that raises",
      trigger(
        "IF NEW.after ->> 'note' = 'bad' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW;",
      ),
      { note: "'bad'" },
      "P0001",
    ],
    [
      "by a check constraint",
      "ALTER TABLE changes ADD CHECK (length(after ->> 'note') < 100)",
      { note: "repeat('x', 100)" },
      "23514",
    ],
    [
      "by an index whose entry would be too large",
      "CREATE INDEX ON changes ((after ->> 'note'), primary_key)",
      {
        note: "(SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 100))",
      },
      "54000",
    ],
    [
      "by an index on keys that is smaller than ours",
      "CREATE INDEX ON changes (primary_key, (md5(primary_key) || primary_key))",
      {
        key: "(SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 60))",
      },
      "54000",
    ],
    [
      "by a full-text index that it is too long for",
      "CREATE INDEX ON changes USING gin (to_tsvector('simple', after ->> 'note'))",
      {
        note: "(SELECT string_agg(gen_random_uuid()::text, ' ') FROM generate_series(1, 30000))",
      },
      "54000",
    ],
    [
      "by a further column that must be filled",
      "ALTER TABLE changes ADD COLUMN of_note text NOT NULL GENERATED ALWAYS AS (CASE after ->> 'note' WHEN 'bad' THEN NULL ELSE 'x' END) STORED",
      { note: "'bad'" },
      "23502",
    ],
    [
      "by a further column with too few digits",
      `ALTER TABLE changes ADD COLUMN of_note numeric(5, 2) GENERATED ALWAYS AS (length(after ->> 'note')) STORED`,
      { note: "repeat('x', 1000)" },
      "22003",
    ],
    [
      "by a further column that it does not fit in",
      `ALTER TABLE changes ADD COLUMN of_note varchar(36) GENERATED ALWAYS AS (after ->> 'note') STORED`,
      { note: "repeat('x', 37)" },
      "22001",
    ],
  ])("%s", async (_how, sql, bad, code) => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema,
      env: { INDEX_VALUES: "off" },
    });
    await tracked.destination.client.query(sql);
    await tracked.sql(insert(bad));
    await tracked.caughtUp();
    const { id, key, after } = await expectOthersIntact(tracked);
    const marker = bad?.key ? JSON.parse(String(key)) : after;
    expect(marker).toEqual({
      $omitted: {
        bytes: expect.any(Number),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        error: code,
      },
    });
    expect(await reducedRowLines(tracked)).toMatchObject([
      {
        level: "error",
        id,
        schema: "public",
        table: "item",
        operation: "CREATE",
        error: { sqlState: code },
      },
    ]);
  });
});

/** What was logged of each, as many as the metric says. */
async function reducedRowLines({ worker, source }: TrackedDatabase) {
  if (!worker) throw new Error("no worker");
  const response = await fetch(`${await addressOf(worker)}/metrics`);
  const metrics = parseMetrics(await response.text(), source.database);
  const lines = worker.lines.filter(
    ({ msg }) =>
      msg === "stored without its values: the destination refuses a row",
  );
  expect(lines).toHaveLength(
    metrics.bemi_worker_reduced_rows_total?.value ?? Number.NaN,
  );
  return lines;
}

test("one row of a transaction larger than memory is refused, and all others are stored, with the context that came last", async () => {
  // Five batches and more; the bad one is in the fourth.
  const rows = 100_000;
  const bad = 66_000;
  await using tracked = await TrackedDatabase.start(cluster, {
    schema,
    env: { INDEX_VALUES: "off", BATCH_MAX_BYTES: String(4 * 1024 * 1024) },
  });
  await tracked.destination.client.query(
    trigger(
      "IF NEW.after ->> 'note' = 'bad' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW;",
    ),
  );
  await tracked.sql(`BEGIN;
    INSERT INTO item SELECT i, i, CASE i WHEN ${bad} THEN 'bad' ELSE md5(i::text) END
      FROM generate_series(1, ${rows}) i;
    SELECT pg_logical_emit_message(true, '_bemi', '{"user": 1}');
    COMMIT`);
  await tracked.caughtUp(180_000);
  const { rows: found } = await tracked.destination.client.query(`
    SELECT count(*)::int AS count, count(DISTINCT changes.id)::int AS ids,
           count(*) FILTER (WHERE context = '{"user": 1}')::int AS contexts,
           count(*) FILTER (WHERE (after ->> 'number') = primary_key AND (after ->> 'note') = md5(primary_key))::int AS intact
      FROM changes WHERE "table" = 'item'`);
  expect(found).toEqual([
    { count: rows, ids: rows, contexts: rows, intact: rows - 1 },
  ]);
  const [omitted] = await tracked.changes(`primary_key = '${bad}'`);
  expect(JSON.parse(String(omitted?.after))).toMatchObject({
    $omitted: { error: "P0001" },
  });
  expect(await reducedRowLines(tracked)).toHaveLength(1);
});

test("a trigger that raises for every row of one table stops the worker, and without the trigger everything arrives", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `${schema}; CREATE TABLE other (id int PRIMARY KEY)`,
  });
  await tracked.destination.client.query(
    trigger(
      `IF NEW."table" = 'item' THEN RAISE EXCEPTION 'no %', NEW; END IF; RETURN NEW;`,
    ),
  );
  await tracked.sql("INSERT INTO other SELECT generate_series(1, 100)");
  await tracked.caughtUp();
  await tracked.sql("INSERT INTO item VALUES ('1', 1, 'x')");
  await tracked.sql("INSERT INTO other VALUES (101)");
  expect(await tracked.worker?.exited).toMatchObject({ code: 3 });
  expect(tracked.worker?.lines.at(-1)).toMatchObject({
    level: "fatal",
    exitCode: 3,
    msg: expect.stringMatching(
      /^public\.changes refuses the CREATE of public\.item at 0\/[0-9A-F]+, also without its values: SQLSTATE P0001/,
    ),
  });
  await tracked.destination.client.query("DROP TRIGGER refuse ON changes");
  await tracked.startWorker();
  await tracked.caughtUp();
  const stored = await tracked.changes();
  expect(stored).toHaveLength(102);
  expect(stored.at(-2)?.after).toContain('"note": "x"');
});
