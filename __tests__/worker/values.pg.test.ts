/** What a value becomes in `before` and `after`. */
import { type Client, escapeIdentifier } from "pg";
import { Cluster } from "../../scripts/cluster";
import { jsonbRefusal } from "../../worker/row/storable-json";
import { valueType } from "../../worker/row/value-types";
import { VALUE_SESSION_OPTIONS } from "../../worker/source/session";
import {
  arrayLiterals,
  builtInSamples,
  literal,
  type Samples,
} from "../support/golden-values";
import { testedMajors } from "../support/majors";
import { between, pick, type Random, seeded } from "../support/random";
import { TrackedDatabase } from "../support/tracked-database";

/** A column of the golden table, and what its rows hold. */
interface GoldenColumn {
  readonly name: string;
  readonly type: string;
  readonly values: readonly string[];
}

function goldenColumns(samples: Samples): GoldenColumn[] {
  return Object.entries(samples).flatMap(([type, list], index) => {
    const element = { name: `c${index}`, type };
    const values = list.map((sample) => literal(sample, type));
    const array = { name: `a${index}`, type: `${type}[]` };
    return [
      { ...element, values },
      { ...array, values: arrayLiterals(list, type) },
    ];
  });
}

/** One row with each column's nth value, and a last one of nulls. */
function goldenRows(columns: readonly GoldenColumn[]): string[] {
  const count = Math.max(...columns.map(({ values }) => values.length)) + 1;
  return Array.from({ length: count }, (_, row) =>
    columns.map(({ values }) => values[row] ?? "NULL").join(", "),
  );
}

function createTable(name: string, columns: readonly GoldenColumn[]): string {
  const list = columns.map((column) => `${column.name} ${column.type}`);
  return `CREATE TABLE ${name} (id int PRIMARY KEY, ${list.join(", ")})`;
}

/** The clean session that the values are compared in. */
function clean(tracked: TrackedDatabase): Promise<Client> {
  return tracked.source.session({ options: VALUE_SESSION_OPTIONS });
}

/**
 * to_jsonb makes arrays of these, which jsonb_populate_record cannot give back:
 * their lower bound is 0, and of arrays of them it says "expected JSON array".
 */
const AS_TEXT = ["int2vector", "oidvector", "int2vector[]", "oidvector[]"];

/** Columns of which a row's `after` is not `to_jsonb(row)`, or does not give the row back. */
async function differences(
  session: Client,
  columns: readonly GoldenColumn[],
  id: string,
  after: string,
): Promise<string[]> {
  const { rows } = await session.query(
    `SELECT ${columns
      .map(
        ({ name, type }) =>
          `$1::jsonb -> '${name}' IS NOT DISTINCT FROM to_jsonb(t) -> '${name}' AS ${name}_json,
           ${comparable("p", name, type)} IS NOT DISTINCT FROM ${comparable("t", name, type)} AS ${name}_back`,
      )
      .join(", ")}
       FROM golden t, jsonb_populate_record(null::golden, $1) p WHERE t.id = $2`,
    [after, id],
  );
  expect(rows).toHaveLength(1);
  return columns.flatMap(({ name, type }) =>
    (AS_TEXT.includes(type) ? ["back"] : ["json", "back"]).flatMap((what) =>
      rows[0][`${name}_${what}`] ? [] : [`${type} (${what}), row ${id}`],
    ),
  );
}

/** json has lost its white space and its duplicate keys in jsonb. */
function comparable(table: string, name: string, type: string): string {
  const cast =
    type === "json" ? "jsonb" : type === "json[]" ? "jsonb[]" : "text";
  return `${table}.${name}::${cast}`;
}

describe.each(testedMajors(14, 18))("on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ major, settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());
  const columns = goldenColumns(builtInSamples(major));

  test("every built-in type and its array is what to_jsonb makes of it, and gives the row back, whatever the settings of database, role and worker", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      env: { TZ: "Asia/Kolkata", LC_ALL: "de_DE.UTF-8" },
    });
    const { database } = tracked.source;
    await tracked.stopWorker();
    const session = await clean(tracked);
    for (const [name, value] of Object.entries({
      DateStyle: "SQL, DMY",
      TimeZone: "America/New_York",
      bytea_output: "escape",
      extra_float_digits: "-5",
      IntervalStyle: "iso_8601",
      lc_monetary: "C.UTF-8",
    })) {
      await session.query(
        `ALTER DATABASE ${database} SET ${name} = '${value}'`,
      );
      await session.query(
        `ALTER ROLE postgres IN DATABASE ${database} SET ${name} = '${value}'`,
      );
    }
    await tracked.startWorker();
    await session.query(createTable("golden", columns));
    for (const [id, row] of goldenRows(columns).entries()) {
      await session.query(`INSERT INTO golden VALUES (${id}, ${row})`);
    }
    await tracked.caughtUp();
    const changes = await tracked.changes();
    expect(changes).toHaveLength(goldenRows(columns).length);
    const found: string[] = [];
    for (const { primaryKey, after } of changes) {
      found.push(
        ...(await differences(session, columns, primaryKey ?? "", after)),
      );
    }
    expect(found).toEqual([]);
  });

  test("every array type of the server is known as one, with its element and delimiter", async () => {
    const session = await cluster.client();
    const { rows } = await session.query<{
      name: string;
      oid: number;
      element: number;
      delimiter: string;
    }>(`
      SELECT a.typname AS name, a.oid::int8::int AS oid, e.oid::int8::int AS element, e.typdelim AS delimiter
        FROM pg_type a JOIN pg_type e ON e.oid = a.typelem AND e.typarray = a.oid
       WHERE a.oid < 10000 AND e.typtype NOT IN ('p', 'c') ORDER BY a.oid`);
    await session.end();
    const unknown = rows.filter(({ oid, element, delimiter }) => {
      const type = valueType(oid);
      return !(
        type.form === "array" &&
        type.element.form === valueType(element).form &&
        type.delimiter === delimiter.charCodeAt(0)
      );
    });
    expect(rows.length).toBeGreaterThan(70);
    // gtsvector has no input: there are no values of it.
    expect(unknown.map(({ name }) => name)).toEqual([
      "_int2vector",
      "_oidvector",
      "_gtsvector",
    ]);
  });
});

describe("documented exceptions", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("json that jsonb cannot hold is its text under a marker, and the rows after it arrive", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema:
        "CREATE TABLE doc (id int PRIMARY KEY, j json, a json[], b jsonb)",
    });
    const deep = "[".repeat(3_000) + "]".repeat(3_000);
    const refused = [
      '"\\u0000"',
      '{"a": "\\ud800"}',
      "[1e400000]",
      "1e-16384",
      ` ${deep}`,
    ];
    for (const [id, text] of refused.entries()) {
      await tracked.sql(
        "INSERT INTO doc VALUES ($1, $2, ARRAY[$2, '1']::json[])",
        [id, text],
      );
    }
    await tracked.sql("INSERT INTO doc (id, b) VALUES (98, $1)", [deep]);
    await tracked.sql(`INSERT INTO doc VALUES (99, '{"a":1}', '{}', '1')`);
    await tracked.caughtUp();
    const after = (await tracked.changes()).map((row) => JSON.parse(row.after));
    expect(after).toEqual([
      ...refused.map((text, id) => ({
        id,
        j: { $json_text: text },
        a: [{ $json_text: text }, 1],
        b: null,
      })),
      // jsonb itself, deeper than a destination is sure to take one level down.
      { id: 98, j: null, a: null, b: { $json_text: deep } },
      { id: 99, j: { a: 1 }, a: [], b: 1 },
    ]);
  });

  test("what jsonb itself loses is lost as in to_jsonb: the sign of -0, and which null it was", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema:
        "CREATE TABLE t (id int PRIMARY KEY, f float8, r real, j json, b jsonb)",
    });
    await tracked.sql("INSERT INTO t VALUES (1, '-0', '-0', 'null', 'null')");
    await tracked.caughtUp();
    const [change] = await tracked.changes();
    const { rows } = await tracked.source.client.query(
      `SELECT to_jsonb(t) = $1::jsonb AS same, back.f::text, back.b::text
         FROM t, jsonb_populate_record(null::t, $1) back`,
      [change?.after],
    );
    expect(rows).toEqual([{ same: true, f: "0", b: null }]);
  });

  test("whatever the check of json lets through, jsonb takes", async () => {
    const random = seeded(71);
    const texts = Array.from({ length: 20_000 }, () => randomJson(random));
    const judged = texts.map((text) => {
      const bytes = Buffer.from(text);
      return jsonbRefusal(bytes, 0, bytes.length) === undefined;
    });
    const client = await cluster.client();
    const { rows } = await client.query<{ json: boolean; jsonb: boolean }>(
      "SELECT pg_input_is_valid(x, 'json') AS json, pg_input_is_valid(x, 'jsonb') AS jsonb FROM unnest($1::text[]) WITH ORDINALITY u (x, n) ORDER BY n",
      [texts],
    );
    await client.end();
    const sorted = (expected: boolean, taken: boolean) =>
      texts.filter(
        (_, n) =>
          rows[n]?.json && judged[n] === expected && rows[n]?.jsonb === taken,
      );
    expect(sorted(true, false)).toEqual([]);
    expect(sorted(true, true).length).toBeGreaterThan(1_000);
    // What it refuses too much is numbers at the edge; it must stay a few.
    expect(sorted(false, true).every((text) => /\de/.test(text))).toBe(true);
    expect(sorted(false, false).length).toBeGreaterThan(1_000);
  });

  test("arrays with lower bounds of their own and user-defined types are text, and give the row back", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TYPE mood AS ENUM ('so "so"', 'ok');
        CREATE TYPE pair AS (a int, "b c" text);
        CREATE DOMAIN positive AS int CHECK (VALUE > 0);
        CREATE DOMAIN tags AS text[];
        CREATE TYPE floatrange AS RANGE (subtype = float8);
        CREATE TABLE t (id int PRIMARY KEY, bounds int[], m mood, ms mood[], p pair,
          ps pair[], d positive, ds positive[], g tags, r floatrange, rs floatmultirange)`,
    });
    await tracked.sql(`
      INSERT INTO t VALUES (1, '[2:3]={4,5}', 'so "so"', '{ok,NULL,"so \\"so\\""}',
        ROW(1, 'a"b,\\c'), ARRAY[ROW(1, NULL), NULL]::pair[], 7, '{7,8}', '{"a,b",NULL,"NULL"}',
        '[0.1,Infinity]', '{[1,2),[3,4)}')`);
    await tracked.caughtUp();
    const [change] = await tracked.changes();
    const { rows } = await tracked.source.client.query(
      `SELECT back IS NOT DISTINCT FROM t AS same,
              (SELECT jsonb_object_agg(key, jsonb_typeof(value)) FROM jsonb_each($1::jsonb) WHERE key <> 'id') AS types,
              (SELECT bool_and(($1::jsonb ->> key) = value)
                 FROM jsonb_each_text(to_jsonb(t)) WHERE key IN ('m', 'd', 'r', 'rs')) AS texts
         FROM t, jsonb_populate_record(null::t, $1) back`,
      [change?.after],
    );
    expect(rows[0].same).toBe(true);
    expect(rows[0].texts).toBe(true);
    expect(new Set(Object.values(rows[0].types))).toEqual(new Set(["string"]));
  });
});

describe("values and names that need care", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ settings: { fsync: "off" } });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("columns may have any name", async () => {
    const names = [
      "__proto__",
      "constructor",
      "toString",
      "1",
      "0",
      'qu"ote',
      "back\\slash",
      "line\nfeed",
      "\ufeffmark",
      "ключ😀",
      " ",
      "Id",
      "x".repeat(63),
    ];
    const quoted = names.map(escapeIdentifier);
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `CREATE TABLE t (id int PRIMARY KEY, ${quoted.map((name) => `${name} text`).join(", ")})`,
    });
    await tracked.sql(
      `INSERT INTO t VALUES (1, ${names.map((_, index) => `'v${index}'`).join(", ")})`,
    );
    await tracked.sql(`UPDATE t SET ${quoted[0]} = 'changed'`);
    await tracked.caughtUp();
    const [created, updated] = await tracked.changes();
    expect(updated?.before).toBe(created?.after);
    const { rows } = await tracked.source.client.query(
      "SELECT to_jsonb(t) = $1::jsonb AS same, (SELECT count(*)::int FROM jsonb_object_keys($1::jsonb)) AS keys FROM t",
      [updated?.after],
    );
    expect(rows).toEqual([{ same: true, keys: names.length + 1 }]);
  });

  test("a value over MAX_VALUE_BYTES is a marker with its length and SHA-256, in before, after and arrays", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema:
        "CREATE TABLE t (id int PRIMARY KEY, kept text, big text, list text[], doc jsonb, bytes bytea)",
      env: { MAX_VALUE_BYTES: "1024" },
    });
    await tracked.sql(`
      INSERT INTO t VALUES (1, repeat('k', 1024), 'é' || repeat('b', 1023), ARRAY[repeat('c', 1023)],
        jsonb_build_object('a', repeat('d', 2000)), decode(repeat('ab', 512), 'hex'))`);
    await tracked.sql("UPDATE t SET id = 2");
    await tracked.caughtUp();
    const { rows } = await tracked.source.client.query(`
      SELECT jsonb_object_agg(key, jsonb_build_object('$omitted', jsonb_build_object(
               'bytes', octet_length(value), 'sha256', encode(sha256(convert_to(value, 'UTF8')), 'hex')))) AS markers
        FROM t, LATERAL (VALUES ('big', big), ('list', list::text), ('doc', doc::text), ('bytes', bytes::text)) v (key, value)`);
    const whole = { ...rows[0].markers, kept: "k".repeat(1024) };
    const [created, updated] = (await tracked.changes()).map((row) => ({
      before: JSON.parse(row.before),
      after: JSON.parse(row.after),
    }));
    expect(created?.after).toEqual({ ...whole, id: 1 });
    expect(updated).toEqual({
      before: { ...whole, id: 1 },
      after: { ...whole, id: 2 },
    });
  });
});

/** A JSON text, mostly valid, of what jsonb is particular about. */
function randomJson(random: Random): string {
  const pieces = Array.from({ length: between(random, 0, 6) }, () =>
    pick(random, [
      "a",
      "u0000",
      "\\u0000",
      "\\u0001",
      "\\ud800",
      "\\uDBFF",
      "\\udc00",
      "\\uDFFF",
      "\\\\",
      '\\"',
      "\\n",
      "\\u00e9",
      "😀",
      "[{",
    ]),
  );
  const number = `${pick(random, ["", "-"])}${pick(random, ["0", "1", "12"])}${pick(random, ["", ".0", ".10", ".0001"])}${pick(
    random,
    [
      "",
      "e5",
      "e131070",
      "e131071",
      "e131072",
      "e-16382",
      "e-16383",
      "e-16384",
      "e+99999999999",
      "E-99999999999",
    ],
  )}`;
  const text = `"${pieces.join("")}"`;
  return pick(random, [
    text,
    number,
    `{${text}:${number}}`,
    `[${number},${text}]`,
  ]);
}
