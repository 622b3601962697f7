/** Which context a change has, and what becomes of a bad one. */
import { Cluster } from "../../scripts/cluster";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const schema = `
  CREATE TABLE todo (id int PRIMARY KEY, note text);
  CREATE TABLE other (id int PRIMARY KEY)`;

/** Steps of a transaction: a message with its letter, a change of one row, … */
const steps: Readonly<Record<string, (row: number) => string>> = {
  U: (row) => `INSERT INTO todo VALUES (${row})`,
  UU: (row) => `INSERT INTO todo VALUES (${row}), (${row + 1})`,
  ignored: () => "INSERT INTO todo VALUES (0) ON CONFLICT DO NOTHING",
  truncate: () => "TRUNCATE other",
  "{}": () => message("{}"),
  "undone{": () => "SAVEPOINT s",
  "}": () => "ROLLBACK TO s",
};

function message(content: string): string {
  return `SELECT pg_logical_emit_message(true, '_bemi', '${content}')`;
}

function transaction(script: string, firstRow: number): string {
  let row = firstRow;
  const statements = script.split(" ").map((step) => {
    row += 2;
    const letter = /^M_(\w)$/.exec(step)?.[1];
    return letter ? message(`{"s": "${letter}"}`) : steps[step]?.(row);
  });
  return `BEGIN; ${statements.join("; ")}; COMMIT`;
}

test("a change has the nearest context before it in its transaction, or else the first after it", async () => {
  const golden: Record<string, string> = {
    U: "-",
    "U U": "- -",
    "M_A U": "A",
    // Two statements of two requests, a raw statement in between.
    "M_A U U M_C U": "A A C",
    "M_A UU M_B UU": "A A B B",
    "U M_A": "A",
    "U U M_A": "A A",
    // Second, and then another one.
    "U M_A U M_B U": "A A B",
    "M_A U M_B": "A",
    // `{}` clears; as the first message it says that there is none.
    "M_A U {} U": "A -",
    "M_A U {} U M_B U": "A - B",
    "U {} U": "- -",
    "U {} U M_B U": "- - B",
    // A row trigger sends one before each row, also of those that DO NOTHING
    // leaves out.
    "M_A U M_A U M_A U": "A A A",
    "M_A ignored U": "A",
    "M_A ignored M_B U": "B",
    "M_A truncate U": "A A",
    "truncate M_A": "A",
    // What is rolled back takes its context along.
    "M_A U undone{ M_B U } U": "A A",
    "undone{ M_B U } U": "-",
  };
  // In batches of many transactions, and in batches of few.
  for (const delayMs of ["500", "0"]) {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `${schema}; INSERT INTO todo VALUES (0)`,
      env: { BATCH_MAX_DELAY_MS: delayMs },
    });
    const got: Record<string, string> = {};
    const scripts = Object.keys(golden);
    await tracked.transactions(
      ...scripts.map((script, index) => transaction(script, index * 100)),
    );
    await tracked.caughtUp();
    const { rows } = await tracked.destination.client.query(`
      SELECT string_agg(coalesce(context->>'s', '-'), ' ' ORDER BY id) AS contexts
        FROM changes WHERE "table" <> 'mark'
       GROUP BY transaction_id ORDER BY min(id::text)`);
    scripts.forEach((script, index) => {
      got[script] = rows[index]?.contexts;
    });
    expect(got).toEqual(golden);
    expect(rows).toHaveLength(scripts.length);
    expect(await tracked.counter("invalidContexts")).toBe(0);
  }
});

test("a non-transactional message is nobody's context, and is counted", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  const unbound = message('{"s":"stray"}').replace("(true", "(false");
  await tracked.transactions(
    `BEGIN; INSERT INTO todo VALUES (1); ${unbound}; ROLLBACK`,
    "INSERT INTO todo VALUES (2)",
    `BEGIN; INSERT INTO todo VALUES (3); ${unbound}; INSERT INTO todo VALUES (4); COMMIT`,
    `BEGIN; ${message('{"s":"mine"}')}; ${unbound}; INSERT INTO todo VALUES (5); COMMIT`,
  );
  await tracked.caughtUp();
  expect(
    (await tracked.changes()).map(({ primaryKey, context }) => [
      primaryKey,
      context,
    ]),
  ).toEqual([
    ["2", "{}"],
    ["3", "{}"],
    ["4", "{}"],
    ["5", '{"s": "mine"}'],
  ]);
  expect(await tracked.counter("unboundMessages")).toBe(3);
});

test("a message with another prefix is not context", async () => {
  await using tracked = await TrackedDatabase.start(cluster, { schema });
  await tracked.sql(
    `BEGIN; ${message('{"s":"no"}').replace("_bemi", "_bemi2")}; INSERT INTO todo VALUES (1); COMMIT`,
  );
  await tracked.caughtUp();
  expect((await tracked.changes())[0]?.context).toBe("{}");
});

test("a context that jsonb cannot hold or that is no object becomes a marker, is counted, and stops nothing", async () => {
  const text = (content: string) => ({ content: `$1::text`, value: content });
  const contexts: Record<
    string,
    { content: string; value: unknown; invalid?: RegExp; json?: string }
  > = {
    text: { ...text("not json"), invalid: /not JSON/ },
    nothing: { ...text(""), invalid: /not JSON/ },
    array: { ...text("[1,2]"), invalid: /not an object/ },
    null: { ...text("null"), invalid: /not an object/ },
    bytes: {
      content: "$1::bytea",
      value: Buffer.of(0, 1, 0xff),
      invalid: /not JSON/,
    },
    latin1: {
      content: "$1::bytea",
      value: Buffer.from('{"a":"\xe9"}', "latin1"),
      invalid: /not JSON/,
    },
    nul: { ...text('{"a":"\\u0000"}'), invalid: /\\u0000/ },
    surrogate: { ...text('{"a":"\\ud800"}'), invalid: /surrogate/ },
    big: {
      ...text(`{"a":"${"x".repeat(2 * 1024 * 1024)}"}`),
      invalid: /too large/,
    },
    number: { ...text('{"a":1e400000}'), invalid: /number/ },
    deep: {
      ...text(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
      invalid: /nested/,
    },
    mark: { ...text('\ufeff{"a":1}'), invalid: /not JSON/ },
    marks: {
      ...text('{"\ufeffa":"\ufeffb"}'),
      json: '{"\ufeffa": "\ufeffb"}',
    },
    duplicate: { ...text('{"a":1,"a":2}'), json: '{"a": 2}' },
    integer: {
      ...text('{"a":12345678901234567890}'),
      json: '{"a": 12345678901234567890}',
    },
    large: {
      ...text(`{"a":"${"x".repeat(1_000_000)}"}`),
      json: `{"a": "${"x".repeat(1_000_000)}"}`,
    },
    deepest: {
      ...text(`{"a":${"[".repeat(1_999)}${"]".repeat(1_999)}}`),
      json: `{"a": ${"[".repeat(1_999)}${"]".repeat(1_999)}}`,
    },
  };
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: "CREATE TABLE note (id text PRIMARY KEY)",
  });
  const { client } = tracked.source;
  for (const [id, { content, value }] of Object.entries(contexts)) {
    await client.query("BEGIN");
    await client.query(
      `SELECT pg_logical_emit_message(true, '_bemi', ${content})`,
      [value],
    );
    await client.query(`INSERT INTO note VALUES ('${id}')`);
    await client.query("COMMIT");
  }
  await tracked.caughtUp();
  const changes = await tracked.changes();
  expect(changes.map(({ primaryKey }) => primaryKey)).toEqual(
    Object.keys(contexts),
  );
  for (const { primaryKey, context } of changes) {
    const { value, invalid, json } = contexts[primaryKey ?? ""] ?? {};
    if (json !== undefined)
      expect([primaryKey, context]).toEqual([primaryKey, json]);
    else {
      const bytes = Buffer.from(value as string | Buffer).length;
      expect([primaryKey, JSON.parse(context)]).toEqual([
        primaryKey,
        { $invalid: expect.stringMatching(invalid as RegExp), bytes },
      ]);
    }
  }
  expect(await tracked.counter("invalidContexts")).toBe(
    Object.values(contexts).filter(({ invalid }) => invalid).length,
  );
});
