/** Changes that the real worker stored, read back by the packed package. */
import { Cluster } from "../../scripts/cluster";
import { ChangesReader } from "../support/changes-reader";
import { mikroRelease } from "../support/mikro-application";
import { identitySql, TrackedDatabase } from "../support/tracked-database";

const BIG = "9007199254740993";
const NUMERIC = "1234567890123456789012345678901234567.890";

const SCHEMA = `
  CREATE TABLE todo (id bigint PRIMARY KEY, title text NOT NULL, amount numeric, data jsonb, doc json, seen_at timestamptz, done boolean NOT NULL DEFAULT false);
  CREATE TABLE event (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE large (id int PRIMARY KEY, a text, n int);
  CREATE TABLE toasted (id int PRIMARY KEY, big text, n int);
  ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL;
  INSERT INTO toasted VALUES (2, repeat('y', 5000), 1);
  CREATE TABLE keyless (a int);
  CREATE TABLE place (id int PRIMARY KEY, address_street text, address_postal_code text, address_position_latitude float8, address_position_longitude float8, former jsonb);
  CREATE SCHEMA other;
  CREATE TABLE other.todo (id bigint PRIMARY KEY, title text);
  INSERT INTO todo (id, title) VALUES (1, 'older than the trail'), (2, 'older, and never touched');`;

let cluster: Cluster;
let tracked: TrackedDatabase;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
  tracked = await TrackedDatabase.start(cluster, {
    schema: SCHEMA,
    env: { TRACK_TABLES: "*.*", MAX_VALUE_BYTES: "20000" },
  });
  await tracked.sql(identitySql("toasted", "DEFAULT"));
  await write();
});
afterAll(async () => {
  await tracked?.[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

/** Moments between the transactions, by name. */
const times: Record<string, string> = {};

async function moment(name: string): Promise<void> {
  const { rows } = await tracked.source.client.query<{ at: string }>(
    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at",
  );
  times[name] = String(rows[0]?.at);
}

async function write(): Promise<void> {
  const steps: readonly (readonly [string, string])[] = [
    ["start", ""],
    [
      "made",
      `INSERT INTO todo VALUES (${BIG}, 'It''s \\ "here"', ${NUMERIC}, '{"n": ${BIG}, "f": 1.5}', '{"a": "\\u0000"}', '2026-03-04 05:06:07.123456+00')`,
    ],
    [
      "changed",
      `UPDATE todo SET title = 'second', amount = 1.10 WHERE id = ${BIG}`,
    ],
    ["touched", "UPDATE todo SET done = true WHERE id = 1"],
    ["moved", `UPDATE todo SET id = 77 WHERE id = ${BIG}`],
    ["deleted", "DELETE FROM todo WHERE id = 77"],
    ["again", "INSERT INTO todo (id, title) VALUES (77, 'again')"],
    [
      "elsewhere",
      "INSERT INTO other.todo VALUES (77, 'other schema'); INSERT INTO keyless VALUES (1)",
    ],
    ["large", "INSERT INTO large VALUES (1, repeat('x', 30000), 1)"],
    ["toasted", "INSERT INTO toasted VALUES (1, repeat('x', 5000), 1)"],
    ["unchanged", "UPDATE toasted SET n = 2"],
    ["unchanged again", "UPDATE toasted SET n = 3"],
    ["truncated", "TRUNCATE todo"],
    [
      "place",
      `INSERT INTO place VALUES (1, 'Now', '01069', 51.5, -0.25, '{"street": "Former", "postal_code": "01067"}')`,
    ],
    ["after", "INSERT INTO todo (id, title) VALUES (78, 'after')"],
    [
      "events",
      "INSERT INTO event VALUES (1, '2026-01-05', 'one'), (1, '2026-02-05', 'two')",
    ],
    ["event moved", "UPDATE event SET day = '2026-02-06' WHERE what = 'one'"],
    ["one partition empty", "TRUNCATE event_1"],
  ];
  for (const [name, sql] of steps) {
    if (sql) await tracked.sql(sql);
    await moment(name);
  }
  await tracked.caughtUp();
}

describe.each(["6", "7"] as const)("MikroORM %s", (version) => {
  let reader: ChangesReader;
  beforeAll(async () => {
    reader = await ChangesReader.start(
      version,
      cluster.url(tracked.destination.database),
    );
  });
  afterAll(() => reader?.[Symbol.asyncDispose]());

  const asOf = (table: unknown, key: unknown, time: string) =>
    reader.call("asOf", table, key, times[time]);
  const tableAt = async (table: unknown, time: string) => {
    const rows = await reader.call<{ primaryKey: string }[]>(
      "table",
      table,
      times[time],
    );
    return rows.map(({ primaryKey }) => primaryKey);
  };

  const made = {
    id: `${BIG}n`,
    title: 'It\'s \\ "here"',
    amount: NUMERIC,
    data: { n: BIG, f: 1.5 },
    doc: { a: "\0" },
    seenAt: "2026-03-04T05:06:07.123456+00:00",
    done: false,
  };

  test("the entity has every change, exactly, and the unit of work writes none", async () => {
    const before = await reader.call("count", {});
    const written = await reader.call("write");
    // Before 6.6 it would rather not be asked.
    if (mikroRelease(version) >= 6.6) expect(written).toBe("flushed");
    expect(await reader.call("count", {})).toBe(before);
    expect(await reader.call("count", { table: "overwritten" })).toBe(0);
    const found = await reader.call<Record<string, unknown>[]>("find", {
      schema: "public",
      table: "todo",
      committedAt: { $gte: times.start, $lte: times.made },
    });
    expect(found).toHaveLength(1);
    const { doc: _, seenAt: seen_at, ...same } = made;
    expect(found[0]).toMatchObject({
      primaryKey: BIG,
      operation: "CREATE",
      before: {},
      after: {
        ...same,
        id: BIG,
        seen_at,
        doc: { $json_text: '{"a": "\\u0000"}' },
      },
      committedAt: expect.stringMatching(/T[\d:]+\.\d{6}Z$/),
      transactionId: expect.stringMatching(/^\d+$/),
    });
    // To the microsecond: the transaction is between two of the source's clock.
    const { committedAt } = found[0] as { committedAt: string };
    expect(committedAt > String(times.start)).toBe(true);
    expect(committedAt < String(times.made)).toBe(true);
  });

  test("a record's history goes on under its former key, newest first", async () => {
    type Entry = {
      id: string;
      operation: string;
      primaryKey: string;
      before?: { values: { title: string } };
      after?: { values: object };
    };
    const history = await reader.call<Entry[]>("history", "Todo", 77);
    const shown = history.map((one) => `${one.operation} ${one.primaryKey}`);
    expect(shown).toEqual([
      "TRUNCATE null",
      "CREATE 77",
      "DELETE 77",
      "UPDATE 77",
      `UPDATE ${BIG}`,
      `CREATE ${BIG}`,
    ]);
    expect(history.at(-1)?.after).toEqual({ values: made, unknown: [] });
    expect(history.at(-2)?.after?.values).toEqual({
      ...made,
      title: "second",
      amount: "1.10",
    });
    expect(history[0]).not.toHaveProperty("before");
    // By the former key the last that is known is where it went.
    const former = await reader.call<Entry[]>("history", "Todo", BIG, {
      limit: 2,
    });
    expect(former.map(({ id }) => id)).toEqual([
      history[0]?.id,
      history[3]?.id,
    ]);
    const older = { before: history[3]?.id, to: times.changed };
    expect(await reader.call("history", "Todo", BIG, older)).toEqual(
      history.slice(4),
    );
  });

  test("a record as of every time of its life", async () => {
    expect(await asOf("Todo", BIG, "start")).toBeNull();
    expect(await asOf("Todo", BIG, "made")).toEqual({
      values: made,
      unknown: [],
    });
    const second = { ...made, title: "second", amount: "1.10" };
    expect(await asOf("Todo", { id: BIG }, "touched")).toMatchObject({
      values: second,
    });
    expect(await asOf("Todo", BIG, "moved")).toBeNull();
    expect(await asOf("Todo", 77, "touched")).toBeNull();
    expect(await asOf("Todo", [77], "moved")).toMatchObject({
      values: { ...second, id: "77n" },
    });
    expect(await asOf("Todo", 77, "deleted")).toBeNull();
    expect(await asOf("Todo", "77", "again")).toMatchObject({
      values: { title: "again", amount: null },
    });
    expect(await asOf("Todo", 77, "truncated")).toBeNull();
    expect(await asOf("Todo", 78, "truncated")).toBeNull();
  });

  test("a record that is older than the trail is known from its first change, one that never changed is not", async () => {
    expect(await asOf("Todo", 1, "start")).toMatchObject({
      values: { title: "older than the trail", done: false },
    });
    expect(await asOf("Todo", 1, "touched")).toMatchObject({
      values: { done: true },
    });
    expect(await asOf("Todo", 2, "touched")).toBe("unknown");
  });

  test("a table as of a time, with keys that moved, rows that went and a TRUNCATE", async () => {
    expect(await tableAt("Todo", "start")).toEqual(["1"]);
    expect(await tableAt("Todo", "made")).toEqual(["1", BIG]);
    expect(await tableAt("Todo", "moved")).toEqual(["1", "77"]);
    expect(await tableAt("Todo", "deleted")).toEqual(["1"]);
    expect(await tableAt("Todo", "elsewhere")).toEqual(["1", "77"]);
    expect(await tableAt("Todo", "truncated")).toEqual([]);
    expect(await tableAt("Todo", "after")).toEqual(["78"]);
  });

  test("tables without an entity, in another schema, without a key", async () => {
    const other = { schema: "other", table: "todo", key: "id" };
    expect(await asOf(other, 77, "after")).toEqual({
      values: { id: 77, title: "other schema" },
      unknown: [],
    });
    const keyless = { table: "keyless", key: [] };
    await expect(tableAt(keyless, "after")).rejects.toThrow(
      '"keyless" has no primary key',
    );
    await expect(asOf("Event", 1, "events")).rejects.toThrow(
      "columns id, day, and there is no value for day",
    );
  });

  test("a partitioned table with a composite key, one partition of which is emptied", async () => {
    const event = { entity: "Event", partitions: ["event_1", "event_2"] };
    expect(await asOf(event, [1, "2026-01-05"], "events")).toMatchObject({
      values: { id: 1, day: "2026-01-05", what: "one" },
    });
    expect(await tableAt(event, "event moved")).toEqual([
      '[1,"2026-02-05"]',
      '[1,"2026-02-06"]',
    ]);
    const last = "one partition empty";
    expect(await tableAt(event, last)).toHaveLength(2);
    const key = { day: "2026-02-05", id: 1 };
    expect(await asOf(event, key, last)).toMatchObject({
      values: { what: "two" },
    });
    expect(await asOf(event, [1, "2026-01-05"], last)).toBeNull();
  });

  test("a value that was not sent is the last known one, and one that nobody knows is said to be", async () => {
    const toasted = { table: "toasted", key: ["id"] };
    expect(await asOf(toasted, 1, "unchanged again")).toEqual({
      values: { id: 1, big: "x".repeat(5_000), n: 3 },
      unknown: [],
    });
    expect(await asOf(toasted, 2, "unchanged again")).toEqual({
      values: { id: 2, n: 3 },
      unknown: ["big"],
    });
    const large = { table: "large", key: "id" };
    const omitted = { values: { id: 1, n: 1 }, unknown: ["a"] };
    expect(await asOf(large, 1, "large")).toEqual(omitted);
    const [row] = await reader.call<object[]>("table", large, times.large);
    expect(row).toEqual({ primaryKey: "1", ...omitted });
    // Before its first change nothing but the key is known, or not even that.
    expect(await asOf(toasted, 2, "start")).toBe("unknown");
  });

  test("an embeddable is an object, in columns of its own as in JSON", async () => {
    const former = { street: "Former", postal_code: "01067" };
    expect(await asOf("Place", 1, "place")).toEqual({
      values: {
        id: 1,
        address: {
          street: "Now",
          zip: "01069",
          position: { latitude: 51.5, longitude: -0.25 },
        },
        former,
      },
      unknown: [],
    });
  });

  test("several databases in one table are told apart, or not answered", async () => {
    const { client } = tracked.destination;
    const copied = await client.query(
      `INSERT INTO changes SELECT ('00000000-0000-8000-8000-00000000000' || $1)::uuid, created_at, 'other', schema, "table", primary_key, operation, before, jsonb_set(after, '{title}', '"of the other"'), context, committed_at, queued_at, transaction_id, position
         FROM changes WHERE "table" = 'todo' AND primary_key = '78'`,
      [version],
    );
    expect(copied.rowCount).toBe(1);
    await expect(reader.call("history", "Todo", 78)).rejects.toThrow(
      "several databases (other, source_",
    );
    await expect(asOf("Todo", 78, "after")).rejects.toThrow("of several");
    await expect(tableAt("Todo", "after")).rejects.toThrow("of several");
    const options = { database: "other" };
    expect(await reader.call("history", "Todo", 78, options)).toMatchObject([
      { after: { values: { title: "of the other" } } },
    ]);
    await client.query("DELETE FROM changes WHERE database = 'other'");
  });

  test("MikroORM's schema tools neither make, change nor drop the worker's tables", async () => {
    const ours = /(create|alter) table[^;]*"(changes|_bemi_\w*)"/;
    const drift = await reader.call("drift");
    expect(drift).toMatch(/create table "todo"/);
    expect(drift).not.toMatch(ours);
    // 6.5.6 is the first that can be told.
    if (mikroRelease(version) >= 6.6) expect(drift).not.toMatch(/drop table/);
    expect(await reader.call("created")).not.toMatch(ours);
  });
});
