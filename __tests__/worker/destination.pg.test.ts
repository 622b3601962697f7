/** What the writing side does with rows, well or ill formed, without a source. */
import { randomUUID } from "node:crypto";
import { Cluster } from "../../scripts/cluster";
import { eventually } from "../../scripts/eventually";
import { FencedError, OperatorError } from "../../worker/errors";
import { describeError } from "../../worker/log";
import { formatChangeId } from "../../worker/row/change-row";
import type { FinishedRow } from "../support/finished-rows";
import { WrittenDestination } from "../support/written-destination";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const ROWS = 10_000;
const end = { commitLsn: 0x200n, position: 0x200n };

/** Raises for a row that says so, and for a context that does. */
const REFUSES_BAD = `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'no %', NEW.after; END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON changes FOR EACH ROW
    WHEN (NEW.after ? 'bad' OR NEW.context ? 'bad') EXECUTE FUNCTION refuse()`;

/** Rows 1 to `count` of which some are bad. */
function rows(
  count: number,
  isBad: (index: number) => boolean = () => false,
): FinishedRow[] {
  return Array.from({ length: count }, (_, place) => {
    const index = place + 1;
    const key = String(index);
    const after = isBad(index) ? { bad: index } : { n: index };
    return { key, after: JSON.stringify(after) };
  });
}

const omitted = (text: string, error: string) => ({
  $omitted: {
    bytes: text.length,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    error,
  },
});

test("after a write that failed nothing is written, and the watermark stays", async () => {
  await using place = await WrittenDestination.create(cluster);
  const broken = {
    rows: Buffer.from("no row of COPY"),
    rowCount: 1,
    months: new Set<number>(),
    end,
  };
  await expect(place.writer.write(broken)).rejects.toThrow("row field count");
  await place.client.query("ROLLBACK");
  // Valid by itself: an empty end that would move the watermark.
  const next = { ...broken, rows: Buffer.alloc(0), rowCount: 0 };
  await expect(place.writer.write(next)).rejects.toThrow(
    "earlier write failed",
  );
  await expect(place.writer.recordPosition(0x300n)).rejects.toThrow(
    "earlier write failed",
  );
  expect(await place.watermark()).toMatchObject({
    commitLsn: 0n,
    position: 0x100n,
  });
});

describe("of two writes under way the second is committed only on top of the first:", () => {
  async function underWay() {
    const place = await WrittenDestination.create(cluster);
    const other = await cluster.client(place.database);
    await other.query(
      "BEGIN; SELECT 1 FROM _bemi_watermarks FOR NO KEY UPDATE",
    );
    const writes = Promise.allSettled([
      place.write(rows(3)),
      place.write(rows(2)),
    ]);
    const watcher = await cluster.client(place.database);
    // Its rows are copied, and it waits: for the first, not for the server.
    await eventually(
      "one to wait for the server, the other for it",
      async () => {
        const { rows: states } = await watcher.query<{ state: string }>(
          "SELECT state FROM pg_stat_activity WHERE query ~ 'COPY public.changes|UPDATE public._bemi_watermarks' AND pid <> pg_backend_pid()",
        );
        return states.some(({ state }) => state === "idle in transaction");
      },
    );
    await watcher.end();
    return { place, other, writes };
  }

  test("both in their order", async () => {
    const { place, other, writes } = await underWay();
    await using _place = place;
    await other.query("COMMIT");
    await other.end();
    expect(await writes).toEqual([
      { status: "fulfilled", value: undefined },
      { status: "fulfilled", value: undefined },
    ]);
    expect((await place.stored()).map(({ key }) => key)).toEqual([
      ...["1", "2", "3"],
      ...["1", "2"],
    ]);
    expect(await place.watermark()).toMatchObject({ commitLsn: 0x1100n });
  });

  test("neither when the first is fenced off", async () => {
    const { place, other, writes } = await underWay();
    await using _place = place;
    await other.query("UPDATE _bemi_watermarks SET epoch = epoch + 1; COMMIT");
    await other.end();
    expect(await writes).toEqual([
      { status: "rejected", reason: expect.any(FencedError) },
      { status: "rejected", reason: expect.any(FencedError) },
    ]);
    await place.client.query("ROLLBACK");
    await place.beside.query("ROLLBACK");
    expect(await place.stored()).toEqual([]);
  });
});

describe("a refused row is stored in its place without its values, all others as they are:", () => {
  test.each<[string, number, (index: number) => boolean]>([
    ["the first", ROWS, (index) => index === 1],
    ["the last", ROWS, (index) => index === ROWS],
    ["one in the middle", ROWS, (index) => index === 5_000],
    ["more than a hundred", ROWS, (index) => index % 60 === 0],
    ["two neighbours", ROWS, (index) => index === 77 || index === 78],
    ["the only one", 1, () => true],
  ])("%s", async (_which, count, isBad) => {
    await using place = await WrittenDestination.create(cluster, REFUSES_BAD);
    await place.write(rows(count, isBad));
    const expected = rows(count).map(({ key }, place) => {
      const text = `{"bad":${key}}`;
      const isReduced = isBad(place + 1);
      return {
        key,
        ordinal: place + 1,
        context: {},
        after: isReduced ? omitted(text, "P0001") : { n: Number(key) },
      };
    });
    expect(await place.stored()).toEqual(expected);
    const reduced = expected.filter((_, at) => isBad(at + 1)).length;
    expect(place.status.reducedRows).toBe(reduced);
    expect(place.logged).toHaveLength(reduced);
    expect(await place.watermark()).toMatchObject({ commitLsn: 0x1000n });
  });
});

test("a transaction in parts keeps the parts before and after a refused row", async () => {
  await using place = await WrittenDestination.create(cluster, REFUSES_BAD);
  const all = rows(40, (index) => index === 25);
  for (let from = 0; from < 40; from += 10) {
    await place.write(all.slice(from, from + 10), false);
  }
  expect(await place.watermark()).toMatchObject({ commitLsn: 0n });
  await place.write([], true);
  const stored = await place.stored();
  expect(stored.map(({ ordinal }) => ordinal)).toEqual(
    all.map((_, at) => at + 1),
  );
  expect(stored[24]?.after).toEqual(omitted('{"bad":25}', "P0001"));
  expect(stored[25]?.after).toEqual({ n: 26 });
  expect(await place.watermark()).toMatchObject({ commitLsn: 0x1000n });
});

test("as little as possible is left out: the key, the context, or the values", async () => {
  await using place = await WrittenDestination.create(cluster, REFUSES_BAD);
  // More than an entry of the index on table and key may have.
  const key = Array.from({ length: 100 }, randomUUID).join("");
  const context = '{"bad":"who"}';
  await place.write([
    { key, after: '{"n":1}', context: '{"user":1}' },
    { key: "2", after: '{"n":2}', context },
    { key: "3", after: '{"bad":3}', context: '{"user":3}' },
    { key: "4", after: '{"bad":4}', context },
  ]);
  expect(place.logged.map(({ omitted }) => omitted)).toEqual([
    ["primary_key"],
    ["context"],
    ["after"],
    ["primary_key", "after", "context"],
  ]);
  const [first, ...others] = await place.stored();
  expect(JSON.parse(first?.key ?? "")).toEqual(omitted(key, "54000"));
  expect(first).toMatchObject({ after: { n: 1 }, context: { user: 1 } });
  expect(others).toMatchObject([
    { key: "2", after: { n: 2 }, context: omitted(context, "P0001") },
    { key: "3", after: omitted('{"bad":3}', "P0001"), context: { user: 3 } },
    {
      after: omitted('{"bad":4}', "P0001"),
      context: omitted(context, "P0001"),
    },
  ]);
});

test("what jsonb cannot hold", async () => {
  await using place = await WrittenDestination.create(cluster);
  // Half of jsonb's limit each, in what the limit is for: one object.
  const half = `"${"x".repeat(129 * 1024 * 1024)}"`;
  await place.write([
    { key: "1", after: '{"n":1}' },
    { key: "2", after: `{"a":${half},"b":${half}}` },
    { key: "3", after: '{"n":3}' },
  ]);
  expect(await place.stored()).toMatchObject([
    { key: "1", after: { n: 1 } },
    { key: "2", after: { $omitted: { error: "54000" } } },
    { key: "3", after: { n: 3 } },
  ]);
});

test("what is checked only at the commit is found before it", async () => {
  await using place = await WrittenDestination.create(
    cluster,
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF NEW.after ? 'bad' THEN RAISE EXCEPTION 'no'; END IF;
       RETURN NULL;
     END $$;
     CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON changes
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
  );
  await place.write(rows(50, (index) => index === 7));
  await place.write(rows(20), false);
  await place.write(
    rows(20, (index) => index === 3),
    true,
  );
  const stored = await place.stored();
  expect(stored).toHaveLength(90);
  expect(place.status.reducedRows).toBe(2);
});

describe("a destination that refuses more than rows stops the trail, with nothing stored and nothing lost:", () => {
  test.each<[string, string, RegExp, (index: number) => boolean]>([
    [
      "every tenth row",
      REFUSES_BAD,
      /refuses too many rows.*SQLSTATE P0001, routine exec_stmt_raise/,
      (index) => index % 10 === 0,
    ],
    [
      "a row in any form",
      "ALTER TABLE changes ADD CONSTRAINT no_5 CHECK (id <> '00000000-0001-8000-8000-000140000007')",
      /refuses the CREATE of public\.item at 0\/1000, also without its values: SQLSTATE 23514, table changes_\d{4}_\d\d, constraint no_5/,
      () => false,
    ],
    [
      "every row, for a column that has to be filled",
      "ALTER TABLE changes ADD COLUMN tenant text NOT NULL",
      /also without its values: SQLSTATE 23502, table changes_\d{4}_\d\d, column tenant/,
      () => false,
    ],
    [
      "every row, for a column that has another type now",
      "ALTER TABLE changes ALTER COLUMN transaction_id TYPE int",
      /also without its values: SQLSTATE 22P03/,
      () => false,
    ],
    [
      "two rows with one value, by an index of somebody",
      "CREATE UNIQUE INDEX one_each ON changes (operation, committed_at)",
      /SQLSTATE 23505, table changes_\d{4}_\d\d, constraint \w+, .*a unique index that this worker did not make/,
      () => false,
    ],
    [
      "rows without a word",
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RETURN CASE WHEN NEW.after ->> 'n' = '5' THEN NULL ELSE NEW END; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION refuse()`,
      /COPY stored 1999 rows of 2000: a trigger or rule on public\.changes drops rows/,
      () => false,
    ],
  ])("%s", async (_what, sql, sentence, isBad) => {
    await using place = await WrittenDestination.create(cluster, sql);
    const error = await place.write(rows(2_000, isBad)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as OperatorError).message).toMatch(sentence);
    await place.client.query("ROLLBACK");
    expect(await place.stored()).toEqual([]);
    expect(await place.watermark()).toMatchObject({ commitLsn: 0n });
  });

  test("a change that somebody stored before", async () => {
    await using place = await WrittenDestination.create(cluster);
    const batch = place.batch(rows(100));
    await place.writer.write(batch);
    await place.client.query(
      "DELETE FROM changes WHERE primary_key <> '42'; UPDATE _bemi_watermarks SET commit_lsn = '0/0'",
    );
    await place.beginSession();
    const error = await place.writer.write(batch).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as OperatorError).message).toMatch(
      /^SQLSTATE 23505, .*_pkey.* 00000000-0001-8000-8000-000a80000007 is stored already/,
    );
    await place.client.query("ROLLBACK");
    expect(await place.stored()).toMatchObject([{ key: "42" }]);
  });
});

test("a context that came after its rows and is refused stops the worker without saying it", async () => {
  await using place = await WrittenDestination.create(
    cluster,
    `CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'no %', NEW; END $$;
     CREATE TRIGGER append_only BEFORE UPDATE ON changes FOR EACH ROW EXECUTE FUNCTION append_only()`,
  );
  await place.write(rows(10), false);
  const last = place.batch(rows(1));
  const error = await place.writer
    .write({
      ...last,
      lateContext: {
        firstId: formatChangeId(0x1000n, 0, 0),
        lastId: formatChangeId(0x1000n, 10, 7),
        identity: 7,
        position: 0x1000n,
        lastSchemaChangeId: formatChangeId(0x1000n, 0, 7),
        context: Buffer.from('{"user":"canary"}'),
      },
    })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(OperatorError);
  expect((error as OperatorError).message).toMatch(
    /refuses the context that a transaction gave after its rows: SQLSTATE P0001/,
  );
  expect(JSON.stringify(describeError(error))).not.toContain("canary");
});

test("every row of small transactions refused one by one ends it, too", async () => {
  await using place = await WrittenDestination.create(cluster, REFUSES_BAD);
  for (let index = 0; index < 100; index++) {
    await place.write([{ key: "1", after: '{"bad":1}' }]);
  }
  await expect(place.write([{ key: "1", after: '{"bad":1}' }])).rejects.toThrow(
    "too many rows",
  );
  expect(place.status.reducedRows).toBe(100);
});
