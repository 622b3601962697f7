/**
 * Columns for tables that are drawn at random: of every type, its array, and
 * types of one's own. Each type with literals of values that it can have.
 */
import { createHash } from "node:crypto";
import {
  arrayLiterals,
  builtInSamples,
  EXTENSION_SAMPLES,
  literal,
  type Samples,
} from "./golden-values";

export interface ColumnType {
  readonly name: string;
  /** SQL literals. */
  readonly values: readonly string[];
}

/** Gets further labels while it is used. */
export const ENUM = "mood";

const OWN_TYPES = `
  CREATE TYPE ${ENUM} AS ENUM ('sad', 'so "so"');
  CREATE TYPE pair AS (a int, "b c" text, d text[]);
  CREATE TYPE floatrange AS RANGE (subtype = float8, multirange_type_name = floatranges);
  CREATE DOMAIN exact AS numeric(10,2);
  CREATE DOMAIN moment AS timestamp;
  CREATE DOMAIN document AS jsonb;
  CREATE DOMAIN numbers AS int[];
  CREATE DOMAIN spirit AS ${ENUM};
  CREATE DOMAIN couple AS pair;`;

const OWN_SAMPLES: Samples = {
  pair: ['(1,"x""y\\\\,","{a,NULL}")', "(,,)"],
  floatrange: ["[0.30000000000000004,Infinity)", "empty"],
  floatranges: ["{[1,2),[3,4)}", "{}"],
  exact: ["-1.50", "NaN"],
  moment: ["2024-07-04 12:00:00.1", "-infinity"],
  document: ['{"a": [1.50, null]}', '"text"'],
  spirit: ["sad"],
  couple: ["(2,two,{})"],
};

/** Types whose arrays are no arrays of literals. */
const FURTHER_TYPES: readonly ColumnType[] = [
  // Whatever was added last.
  { name: ENUM, values: [`enum_last(NULL::${ENUM})`, `'sad'::${ENUM}`] },
  { name: `${ENUM}[]`, values: [`enum_range(NULL::${ENUM})`] },
  { name: "numbers", values: ["'{1,NULL}'", "'[0:1]={1,2}'"] },
];

/** SQL that the types need. */
export const COLUMN_TYPES_SCHEMA = `
  ${Object.keys(EXTENSION_SAMPLES)
    .map((name) => `CREATE EXTENSION ${name};`)
    .join(" ")}
  ${OWN_TYPES}`;

/**
 * Of to_jsonb's form they could not be given back, and are their text in the
 * trail although they are no types of one's own.
 */
const VECTORS = ["int2vector", "oidvector"];

/** Longer ones are few and slow; `values.pg.test.ts` has them. */
const MAX_LITERAL_LENGTH = 50_000;

export function columnTypes(major: number): readonly ColumnType[] {
  const samples: Samples = Object.assign(
    builtInSamples(major),
    OWN_SAMPLES,
    ...Object.values(EXTENSION_SAMPLES),
  );
  const types = Object.entries(samples)
    .filter(([name]) => !VECTORS.includes(name))
    .flatMap(([name, list]): ColumnType[] => [
      { name, values: list.map((sample) => literal(sample, name)) },
      { name: `${name}[]`, values: arrayLiterals(list, name) },
    ]);
  return [...types, ...FURTHER_TYPES].map(({ name, values }) => ({
    name,
    values: values.filter(({ length }) => length <= MAX_LITERAL_LENGTH),
  }));
}

/** Nothing makes it shorter: it is stored out of line. */
const noise = createHash("shake256", { outputLength: 6_000 }).digest("base64");

/** Types with a value that is stored out of line, beside a short one and none. */
export const LARGE_TYPES: readonly ColumnType[] = [
  { name: "text", values: [literal(noise, "text"), "''"] },
  { name: "jsonb", values: [literal(`["${noise}"]`, "jsonb"), "'{}'"] },
  { name: "text[]", values: [literal(`{${noise}}`, "text[]"), "'{}'"] },
  { name: "bytea", values: [literal(noise, "bytea"), "''"] },
  { name: "couple", values: [literal(`(1,${noise},)`, "couple"), "NULL"] },
];
