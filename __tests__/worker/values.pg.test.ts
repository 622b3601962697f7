/** What a value becomes in `before` and `after`. */
import { type Client, escapeIdentifier } from "pg";
import { Cluster } from "../../scripts/cluster";
import { between, pick, type Random, seeded } from "../../scripts/soak/random";
import { jsonbRefusal } from "../../worker/row/storable-json";
import { valueType } from "../../worker/row/value-types";
import { VALUE_SESSION_OPTIONS } from "../../worker/source/session";
import {
  createGoldenTable,
  goldenColumns,
  goldenDifferences,
} from "../support/golden-table";
import {
  builtInSamples,
  EXTENSION_SAMPLES,
  WITHOUT_INPUT,
} from "../support/golden-values";
import { serverMajor } from "../support/majors";
import { TrackedDatabase } from "../support/tracked-database";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ settings: { fsync: "off" } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Settings of a database or role, each of which changes the text of values. */
const HOSTILE = {
  DateStyle: "SQL, DMY",
  TimeZone: "America/New_York",
  bytea_output: "escape",
  extra_float_digits: "-5",
  IntervalStyle: "iso_8601",
  lc_monetary: "C.UTF-8",
  search_path: "nowhere",
  quote_all_identifiers: "on",
  xmloption: "document",
  xmlbinary: "hex",
  client_encoding: "LATIN1",
  standard_conforming_strings: "off",
};

/** The clean session that the values are compared in. */
function clean(tracked: TrackedDatabase): Promise<Client> {
  return tracked.source.session({
    options: `${VALUE_SESSION_OPTIONS} -c search_path=pg_catalog`,
  });
}

test("every built-in type and its array is what to_jsonb makes of it and gives the row back, in INSERT, UPDATE and DELETE, whatever the settings of database, role and worker", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    env: { TZ: "Asia/Kolkata", LC_ALL: "de_DE.UTF-8" },
  });
  const { database } = tracked.source;
  await tracked.stopWorker();
  const session = await clean(tracked);
  for (const [name, value] of Object.entries(HOSTILE)) {
    const set = `SET ${name} = ${name === "search_path" ? value : `'${value}'`}`;
    await session.query(
      `ALTER DATABASE ${database} ${set}; ALTER ROLE postgres IN DATABASE ${database} ${set}`,
    );
  }
  await tracked.startWorker();
  const columns = goldenColumns(builtInSamples(serverMajor));
  const count = await createGoldenTable(session, columns);
  const names = columns.map(({ name }) => name).join(", ");
  await session.query(`
    INSERT INTO public.golden SELECT * FROM ledger.golden ORDER BY id;
    UPDATE public.golden g SET (${names}) =
      (SELECT ${names} FROM ledger.golden l WHERE l.id = (g.id + 1) % ${count});
    DELETE FROM public.golden`);
  await tracked.caughtUp();
  const found: string[] = [];
  const compare = async (operation: string, id: number, json: string) => {
    const differences = await goldenDifferences(session, columns, { id, json });
    found.push(...differences.map((one) => `${operation}: ${one}`));
  };
  const changes = await tracked.changes();
  expect(changes).toHaveLength(3 * count);
  for (const { operation, primaryKey, before, after } of changes) {
    const id = Number(primaryKey);
    const next = (id + 1) % count;
    if (operation === "CREATE") await compare(operation, id, after);
    else if (operation === "UPDATE") {
      await compare(operation, id, before);
      await compare(operation, next, after);
    } else await compare(operation, next, before);
  }
  expect(found).toEqual([]);
});

test("no base type of the server is without a golden value", async () => {
  const session = await cluster.client();
  const { rows } = await session.query<{ name: string; input: boolean }>(
    `SELECT t.typname AS name
       FROM pg_type t
      WHERE t.typnamespace = 'pg_catalog'::regnamespace
        -- Rows of the catalogue's own tables are composites like any other.
        AND t.typtype NOT IN ('p', 'c')
        -- Each array type has its element's values.
        AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
        AND t.oid <> ALL (SELECT to_regtype(type)::oid FROM unnest($1::text[]) type)
      ORDER BY 1`,
    [Object.keys(builtInSamples(serverMajor))],
  );
  await session.end();
  expect(rows.map(({ name }) => name)).toEqual(WITHOUT_INPUT);
});

test("values of types that only the server can make arrive as their text and stop nothing", async () => {
  await using tracked = await TrackedDatabase.start(cluster, {
    schema: `CREATE TABLE t (id int PRIMARY KEY, ${WITHOUT_INPUT.map((type) => `${type} ${type}`).join(", ")})`,
  });
  const session = tracked.source.client;
  for (const type of WITHOUT_INPUT) {
    await expect(session.query(`SELECT 'x'::${type}`)).rejects.toMatchObject({
      code: "0A000",
    });
  }
  await session.query(`
    CREATE TABLE other (a int DEFAULT 1 + 1, b int);
    INSERT INTO other SELECT i, i FROM generate_series(1, 100) i;
    CREATE STATISTICS s ON a, b FROM other; ANALYZE other;
    INSERT INTO t (id, pg_node_tree, pg_ndistinct, pg_dependencies, pg_mcv_list)
      SELECT 1, adbin, stxdndistinct, stxddependencies, stxdmcv
        FROM pg_attrdef, pg_statistic_ext_data`);
  await tracked.caughtUp();
  const [change] = await tracked.changes(`"table" = 't'`);
  const { rows } = await session.query(
    "SELECT to_jsonb(t) = $1::jsonb AS same, t.pg_ndistinct IS NOT NULL AND t.pg_node_tree IS NOT NULL AS full FROM t",
    [change?.after],
  );
  expect(rows).toEqual([{ same: true, full: true }]);
});

test("types of PostgreSQL's own extensions are their text, and give the row back", async () => {
  await using tracked = await TrackedDatabase.start(cluster);
  await tracked.sql(
    Object.keys(EXTENSION_SAMPLES)
      .map((name) => `CREATE EXTENSION ${name}`)
      .join("; "),
  );
  const session = await clean(tracked);
  // Their casts have no schema in them.
  await session.query("SET search_path = public");
  const columns = goldenColumns(
    Object.assign({}, ...Object.values(EXTENSION_SAMPLES)),
  );
  const count = await createGoldenTable(session, columns);
  await session.query("INSERT INTO golden SELECT * FROM ledger.golden");
  await tracked.caughtUp();
  const changes = await tracked.changes();
  expect(changes).toHaveLength(count);
  const found: string[] = [];
  for (const { primaryKey, after } of changes) {
    found.push(
      ...(await goldenDifferences(session, columns, {
        id: Number(primaryKey),
        json: after,
        onlyBack: true,
      })),
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

describe("documented exceptions", () => {
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
    // pg_input_is_valid came with 16.
    await client.query(`
      CREATE FUNCTION pg_temp.is_valid(value text, type regtype) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        EXECUTE format('SELECT %L::%s', value, type);
        RETURN true;
      EXCEPTION WHEN data_exception THEN
        RETURN false;
      END $$`);
    const { rows } = await client.query<{ json: boolean; jsonb: boolean }>(
      "SELECT pg_temp.is_valid(x, 'json') AS json, pg_temp.is_valid(x, 'jsonb') AS jsonb FROM unnest($1::text[]) WITH ORDINALITY u (x, n) ORDER BY n",
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

  test("user-defined types and arrays of them are text, and give the row back", async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        CREATE TYPE mood AS ENUM ('so "so"', 'ok');
        CREATE TYPE pair AS (a int, "b c" text);
        CREATE TYPE nested AS (p pair, ps pair[], j jsonb, t timestamptz);
        CREATE DOMAIN positive AS int CHECK (VALUE > 0);
        CREATE TYPE floatrange AS RANGE (subtype = float8);
        CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[], p pair,
          ps pair[], n nested, ds positive[], r floatrange, rs floatmultirange, rr floatrange[])`,
    });
    await tracked.sql(`
      INSERT INTO t VALUES (1, 'so "so"', '{ok,NULL,"so \\"so\\""}',
        ROW(1, 'a"b,\\c'), ARRAY[ROW(1, NULL), NULL]::pair[],
        ROW(ROW(1, '()'), ARRAY[ROW(2, '{"')]::pair[], '{"a": [1.50, null]}', '2024-07-04 12:00:00.000001+00'),
        '{7,8}', '[0.30000000000000004,Infinity]', '{[1,2),[3,4)}', '{empty,"[-Infinity,0)"}')`);
    await tracked.caughtUp();
    const [change] = await tracked.changes();
    const { rows } = await tracked.source.client.query(
      `SELECT back IS NOT DISTINCT FROM t AS same, back::text = t::text AS text,
              (SELECT jsonb_object_agg(key, jsonb_typeof(value)) FROM jsonb_each($1::jsonb) WHERE key <> 'id') AS types,
              (SELECT bool_and(($1::jsonb ->> key) = value)
                 FROM jsonb_each_text(to_jsonb(t)) WHERE key IN ('m', 'r', 'rs')) AS texts
         FROM t, jsonb_populate_record(null::t, $1) back`,
      [change?.after],
    );
    expect(rows[0]).toMatchObject({ same: true, text: true, texts: true });
    expect(new Set(Object.values(rows[0].types))).toEqual(new Set(["string"]));
  });

  test("a domain is what to_jsonb makes of the type under it, and gives the row back", async () => {
    const domains: Readonly<Record<string, string>> = {
      positive: "int CHECK (VALUE > 0)",
      exact: "numeric(10,2) NOT NULL DEFAULT 0",
      flag: "boolean",
      moment: "timestamptz",
      document: "jsonb",
      document2: "document CHECK (VALUE <> 'null')",
      text_document: "json",
      tags: "text[]",
      boxes: "box[]",
      documents: "jsonb[]",
      word: "text",
      letter: '"char"',
    };
    const values = [
      "7",
      "'1.50'",
      "true",
      "'2024-07-04 12:00:00.1+02'",
      `'{"a": [1.50, null]}'`,
      `'"text"'`,
      `'[1.50, {"a": 1}]'`,
      `'{"a,b",NULL,"NULL"}'`,
      "'{(1,1),(0,0)}'",
      `ARRAY['{"a": 1}', NULL]::jsonb[]`,
      "'word'",
      "'c'",
    ];
    const names = Object.keys(domains);
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: `
        ${names.map((name) => `CREATE DOMAIN ${name} AS ${domains[name]}`).join(";")};
        CREATE TABLE t (id positive PRIMARY KEY, ${names.map((name) => `${name} ${name}`).join(", ")})`,
    });
    const session = await clean(tracked);
    await session.query(
      `INSERT INTO public.t VALUES (1, ${values.join(", ")})`,
    );
    await tracked.caughtUp();
    const [change] = await tracked.changes();
    const { rows } = await session.query(
      `SELECT $1::jsonb::text AS after, to_jsonb(t)::text AS server, back::text = t::text AS same
         FROM public.t, jsonb_populate_record(null::public.t, $1) back`,
      [change?.after],
    );
    expect(rows[0].after).toBe(rows[0].server);
    expect(rows[0].same).toBe(true);
  });

  test('a "char" over 127 is its escape, which 16 and later print, and stops nothing', async () => {
    await using tracked = await TrackedDatabase.start(cluster, {
      schema: 'CREATE TABLE t (id int PRIMARY KEY, c "char", cs "char"[])',
    });
    await tracked.sql(
      `INSERT INTO t VALUES (1, (-125)::"char", ARRAY[(-1)::"char", 'a', NULL])`,
    );
    await tracked.caughtUp();
    const [change] = await tracked.changes();
    expect(JSON.parse(change?.after ?? "")).toEqual({
      id: 1,
      c: "\\203",
      cs: ["\\377", "a", null],
    });
  });
});

describe("values and names that need care", () => {
  test("columns may have any name", async () => {
    const names = [
      "__proto__",
      "constructor",
      "toString",
      'a"b',
      "$unchanged",
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
