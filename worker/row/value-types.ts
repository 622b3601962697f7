/**
 * How `to_jsonb` shows each built-in type. The OIDs are fixed: PostgreSQL 14
 * to 18 agree on all of them (src/include/catalog/pg_type.dat). Any other type
 * (enum, composite, domain, range, extension) travels as its text, which
 * `jsonb_populate_record` reads back through the type's input function. So do
 * int2vector and oidvector, of which `to_jsonb` makes arrays: given back from
 * those their bounds would differ, and arrays of them would fail.
 */

/** JSON form of a value whose text PostgreSQL sent. */
export type ValueType =
  | { readonly form: "string" | "number" | "boolean" | "timestamp" }
  | { readonly form: "json" | "jsonb" }
  | {
      readonly form: "array";
      readonly element: ValueType;
      readonly delimiter: number;
    };

/** The JSON form of a column's type. */
export function valueType(typeOid: number): ValueType {
  return TYPES.get(typeOid) ?? STRING;
}

const STRING: ValueType = { form: "string" };

const SCALARS: readonly (readonly [number, ValueType])[] = [
  [16, { form: "boolean" }],
  [20, { form: "number" }], // int8
  [21, { form: "number" }], // int2
  [23, { form: "number" }], // int4
  [700, { form: "number" }], // float4
  [701, { form: "number" }], // float8
  [1700, { form: "number" }], // numeric
  [1114, { form: "timestamp" }],
  [1184, { form: "timestamp" }], // timestamptz
  [114, { form: "json" }],
  [3802, { form: "jsonb" }],
];

/** Array OID and element OID of every built-in type that a column may have. */
const ARRAYS = `
  1000:16 1001:17 1002:18 1003:19 1016:20 1005:21 1007:23 1008:24 1009:25
  1028:26 1010:27 1011:28 1012:29 199:114 143:142 271:5069 1017:600
  1018:601 1019:602 1020:603 1027:604 629:628 1021:700 1022:701 719:718
  791:790 1040:829 1041:869 651:650 775:774 1034:1033 1014:1042 1015:1043
  1182:1082 1183:1083 1115:1114 1185:1184 1187:1186 1270:1266 1561:1560
  1563:1562 1231:1700 2201:1790 2207:2202 2208:2203 2209:2204 2210:2205
  4192:4191 2211:2206 4097:4096 4090:4089 2951:2950 3221:3220 3643:3614
  3645:3615 3735:3734 3770:3769 3807:3802 4073:4072 2949:2970 5039:5038
  3905:3904 3907:3906 3909:3908 3911:3910 3913:3912 3927:3926 6150:4451
  6151:4532 6152:4533 6153:4534 6155:4535 6157:4536`
  .trim()
  .split(/\s+/)
  .map((pair) => pair.split(":").map(Number) as [number, number]);

const BOX_OID = 603;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;

const TYPES: ReadonlyMap<number, ValueType> = new Map([
  ...SCALARS,
  ...ARRAYS.map(([oid, elementOid]): [number, ValueType] => [
    oid,
    {
      form: "array",
      element: new Map(SCALARS).get(elementOid) ?? STRING,
      delimiter: elementOid === BOX_OID ? SEMICOLON : COMMA,
    },
  ]),
]);
