/**
 * Values of every type that a column can have, as SQL literals: the least and
 * the greatest, the special ones, and those that a careless reader changes.
 */

/** Samples by type; each is quoted and cast. */
export type Samples = Readonly<Record<string, readonly string[]>>;

/** Texts that a careless encoder changes. */
const texts = [
  "",
  " ",
  "NULL",
  "null",
  "\ufeffwith a byte-order mark",
  'say "it\'s"',
  "back\\slash \\u0000 \\",
  "line\nfeed\ttab\r\b\f\u0001\u001f\u007f",
  "{a,b};(c)[d]",
  "é€😀\u2028",
  "x".repeat(5_000),
];

export function builtInSamples(major: number): Samples {
  return {
    boolean: ["t", "f"],
    smallint: ["-32768", "0", "32767"],
    integer: ["-2147483648", "2147483647"],
    bigint: ["-9223372036854775808", "9223372036854775807"],
    numeric: [
      "NaN",
      "Infinity",
      "-Infinity",
      "0.10",
      "0.000",
      "-12345678901234567890.12345678901234567890",
      "9".repeat(131_072),
      `-${"9".repeat(131_072)}.${"9".repeat(16_383)}`,
      "1e-16383",
    ],
    "numeric(5,2)": ["-999.99", "0", "NaN"],
    // 15 brought negative scales.
    ...(major >= 15 ? { "numeric(3,-2)": ["99900", "-99900"] } : {}),
    real: [
      "NaN",
      "Infinity",
      "-Infinity",
      "0.1",
      "1e-45",
      "3.4028235e38",
      "-3.4028235e38",
      "16777217",
    ],
    "double precision": [
      "NaN",
      "Infinity",
      "-Infinity",
      "0.30000000000000004",
      "5e-324",
      "1.7976931348623157e308",
      "-1.7976931348623157e308",
      "1e15",
      "1e16",
    ],
    money: ["-92233720368547758.08", "92233720368547758.07", "0.10", "-1234.5"],
    text: texts,
    "character varying": texts,
    "character(7)": ["", "ab", "é😀"],
    name: ["", "x".repeat(63), '\ufeff"é\\'],
    '"char"': ["", "a", '"', "\\", "\x7f"],
    bytea: ["", "\\x00ff", `\\x${"5c22".repeat(3_000)}`],
    date: [
      "infinity",
      "-infinity",
      "4713-01-01 BC",
      "0044-03-15 BC",
      "0001-12-31 BC",
      "0001-01-01",
      "2024-02-29",
      "5874897-12-31",
    ],
    timestamp: [
      "infinity",
      "-infinity",
      "4713-01-01 00:00:00 BC",
      "0044-03-15 12:00:00.000001 BC",
      "2024-07-04 12:00:00",
      "2024-07-04 12:00:00.1",
      "294276-12-31 23:59:59.999999",
    ],
    timestamptz: [
      "infinity",
      "-infinity",
      "4713-01-02 00:00:00+00 BC",
      "0044-03-15 12:00:00.000001+00 BC",
      "2024-07-04 12:00:00-07",
      "1900-01-01 00:00:00.123456+00:19:32",
      "294276-12-31 23:59:59.999999+00",
    ],
    time: ["00:00", "00:00:00.000001", "23:59:59.999999", "24:00"],
    timetz: [
      "00:00+15:59",
      "12:00:00.123456-08",
      "12:00:00-00:00:01",
      "24:00-15:59:59",
    ],
    "timestamptz(3)": ["2024-07-04 12:00:00.1235+00"],
    interval: [
      "0",
      "-1 day 02:03:04.000005",
      "1 mon -1 day",
      "-1 year -2 mons +3 days -04:05:06.789",
      "2147483647 hours 59 mins 59.999999 secs",
      "178000000 years",
      "-178000000 years",
      // 17 brought these.
      ...(major >= 17 ? ["infinity", "-infinity"] : []),
    ],
    uuid: ["00000000-0000-0000-0000-000000000000", `${"f".repeat(32)}`],
    inet: [
      "0.0.0.0/0",
      "10.1.2.3/8",
      "255.255.255.255",
      "::",
      "::ffff:1.2.3.4",
      "2001:db8::/32",
    ],
    cidr: ["0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32", "::1/128"],
    macaddr: ["00:00:00:00:00:00", "08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"],
    macaddr8: ["08:00:2b:01:02:03:04:05", "ff:ff:ff:ff:ff:ff:ff:ff"],
    "bit(5)": ["00000", "10101"],
    "bit varying": ["", "0", "1".repeat(1_000)],
    point: ["(0.1,-0.2)", "(NaN,Infinity)", "(5e-324,-1.7976931348623157e308)"],
    line: ["{1,-2,3}", "{0,-1,0.30000000000000004}"],
    lseg: ["[(0,0),(1,1)]", "[(0.1,-Infinity),(1,1)]"],
    box: ["(1,1),(0,0)", "(0.1,2e300),(-3,-4)"],
    path: ["((0,0),(1,1))", "[(0,0),(1,1)]", "[(0.1,0.2)]"],
    polygon: ["((0,0),(1,1),(1,0))", "((0.1,-2e300))"],
    circle: ["<(0,0),1>", "<(0.1,-0.2),Infinity>"],
    json: [
      '{"b" :  1,\n "a": 2, "a": 3}',
      "[1.50, 12345678901234567890, 1e400, 1E-5]",
      '"\\ud83d\\ude00 \\\\u0000"',
      '{"\ufeff": "\ufeff", "": "", "__proto__": null, "1": "\\u00e9\\/"}',
      `-0.${"0".repeat(16_382)}1`,
      "{}",
      "true",
    ],
    jsonb: [
      '{"b": 1, "a": [12345678901234567890, 1.50, null, true]}',
      "1e1000",
      '{"\ufeff": "\ufeff", "": "", "__proto__": null, "1": "\\u00e9\\/"}',
      "9".repeat(131_072),
      "1e-16383",
      '"\ufeff\\""',
      "[]",
    ],
    jsonpath: ['$."a"[*]?(@ > 1)', 'strict $."\ufeff\\"".**{2 to last}'],
    xml: [
      "<a b=\"c\">d &amp; 'e'</a>",
      "text",
      "",
      '<?xml version="1.0"?>\n<é>\ufeff<![CDATA[<]]></é>',
    ],
    tsvector: ["'a':1A,2 'it''s' 'b\"\\\\'", "", "'\ufeff':16383B"],
    tsquery: ["'a' & !'b' <-> 'c':*", "", "'it''s' <3> 'b\"\\\\':AB | 'c'"],
    int4range: ["empty", "[1,5)", "(,)", "[-2147483648,2147483647)"],
    int8range: ["empty", "[-9223372036854775808,9223372036854775807)"],
    numrange: ["[0.10,NaN]", "(,5]", "(-Infinity,Infinity)"],
    daterange: ["[2024-01-01,infinity)", "[4713-01-01 BC,0044-03-15 BC)"],
    tsrange: [
      "[2024-01-01 12:00:00.000001,infinity]",
      '["4713-01-01 00:00:00 BC",)',
    ],
    tstzrange: ["[2024-01-01 12:00:00+02,)", "(-infinity,infinity)"],
    int4multirange: ["{}", "{[1,5),[7,9)}", "{(,)}"],
    int8multirange: ["{}", "{[1,5)}"],
    nummultirange: ["{}", "{[0.10,1.5],(2,NaN]}"],
    datemultirange: ["{}", "{[2024-01-01,2024-02-01),[2025-01-01,infinity)}"],
    tsmultirange: ["{}", "{[2024-01-01,2024-02-01 00:00:00.000001)}"],
    tstzmultirange: ["{}", "{[2024-01-01,2024-02-01)}"],
    oid: ["0", "4294967295"],
    xid: ["0", "4294967295"],
    xid8: ["0", "18446744073709551615"],
    cid: ["0", "4294967295"],
    tid: ["(0,0)", "(4294967295,65535)"],
    pg_lsn: ["0/0", "FFFFFFFF/FFFFFFFF"],
    pg_snapshot: ["10:20:10,14,15", "1:1:"],
    txid_snapshot: ["10:20:10,14,15", "1:1:"],
    aclitem: ["postgres=arwdDxt/postgres", "=r*/postgres"],
    regclass: ["pg_class", "0", "public.mark"],
    regtype: ["integer", '"char"'],
    regproc: ["now"],
    regprocedure: ["abs(integer)"],
    regoper: ["|/"],
    regoperator: ["+(integer,integer)"],
    regnamespace: ["pg_catalog"],
    regrole: ["postgres"],
    regconfig: ["english"],
    regdictionary: ["simple"],
    regcollation: ['"C"'],
    refcursor: ["", "<unnamed portal 1>"],
    int2vector: ["", "1 -2 32767"],
    oidvector: ["", "1 4294967295"],
  };
}

/**
 * Types whose input function refuses everything: the server alone makes their
 * values, and no row of them can be given back by anybody.
 */
export const WITHOUT_INPUT: readonly string[] = [
  "gtsvector",
  "pg_brin_bloom_summary",
  "pg_brin_minmax_multi_summary",
  "pg_dependencies",
  "pg_mcv_list",
  "pg_ndistinct",
  "pg_node_tree",
];

/** Extensions that come with PostgreSQL, and values of their types. */
export const EXTENSION_SAMPLES: Readonly<Record<string, Samples>> = {
  hstore: { hstore: ["", 'a=>1, "b \\"\\\\"=>NULL, "\ufeff"=>"{x,y}"'] },
  ltree: {
    ltree: ["", "Top.Science_1.a"],
    lquery: ["*.a|b*{1,2}.!c"],
    ltxtquery: ["a & !(b* | c)"],
  },
  citext: { citext: ["", "MiXeD \"'\\ \ufeff"] },
  cube: { cube: ["(0.30000000000000004, -1)", "(1, 2),(3, 4)"] },
  seg: { seg: ["0.10 .. 5e2", "<3"] },
  isn: { isbn13: ["978-0-393-04002-9"], issn: ["1436-4522"] },
  lo: { lo: ["0", "4294967295"] },
};

/** The text of a literal of a type. */
export function literal(sample: string, type: string): string {
  return `'${sample.replaceAll("'", "''")}'::${type}`;
}

/**
 * Arrays of a type's samples: of every sample and null, nested, empty, and with
 * lower bounds of their own.
 */
export function arrayLiterals(
  samples: readonly string[],
  type: string,
): string[] {
  const items = samples.map((sample) => literal(sample, type));
  return [
    `ARRAY[${[...items, "NULL"].join(", ")}]::${type}[]`,
    `ARRAY[${items.map((item) => `[${item}, NULL]`).join(", ")}]::${type}[]`,
    `'{}'::${type}[]`,
    `('[-1:0][3:3]=' || (ARRAY[[${items[0]}], [NULL]]::${type}[])::text)::${type}[]`,
  ];
}
