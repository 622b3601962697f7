/**
 * How `to_jsonb` shows each built-in type. The OIDs are fixed: PostgreSQL 14
 * to 18 agree on all of them (src/include/catalog/pg_type.dat). A domain is
 * shown as what it is made of, which the stream says in a Type message. Any
 * other type (enum, composite, range, extension) travels as its text, which
 * `jsonb_populate_record` reads back through the type's input function. So do
 * int2vector and oidvector, of which `to_jsonb` makes arrays: given back from
 * those their bounds would differ, and arrays of them would fail.
 */

/** JSON form of a value whose text PostgreSQL sent. */
export type ValueType =
  | { readonly form: "string" | "number" | "boolean" | "timestamp" | "char" }
  | { readonly form: "json" | "jsonb" }
  | {
      readonly form: "array";
      readonly element: ValueType;
      readonly delimiter: number;
    };

/** The JSON form of a built-in type; of any other, its text. */
export function valueType(typeOid: number): ValueType {
  return BY_OID.get(typeOid) ?? STRING;
}

/**
 * The same by a type's name. Of a domain the stream names the type that it is
 * made of, through domains over domains, and nowhere that type's OID.
 */
export function valueTypeNamed(type: {
  readonly schema: string;
  readonly name: string;
}): ValueType {
  const builtIn = type.schema === "pg_catalog";
  return (builtIn ? BY_NAME.get(type.name) : undefined) ?? STRING;
}

const STRING: ValueType = { form: "string" };

/** Those that are not text in JSON. */
const FORMS: Readonly<Record<string, ValueType>> = {
  bool: { form: "boolean" },
  int8: { form: "number" },
  int2: { form: "number" },
  int4: { form: "number" },
  float4: { form: "number" },
  float8: { form: "number" },
  numeric: { form: "number" },
  timestamp: { form: "timestamp" },
  timestamptz: { form: "timestamp" },
  json: { form: "json" },
  jsonb: { form: "jsonb" },
  char: { form: "char" },
};

/** Name, OID and array's OID of every built-in type that a column may have. */
const BUILT_IN = `
  bool:16:1000 bytea:17:1001 char:18:1002 name:19:1003 int8:20:1016
  int2:21:1005 int4:23:1007 regproc:24:1008 text:25:1009 oid:26:1028
  tid:27:1010 xid:28:1011 cid:29:1012 json:114:199 xml:142:143 point:600:1017
  lseg:601:1018 path:602:1019 box:603:1020 polygon:604:1027 line:628:629
  cidr:650:651 float4:700:1021 float8:701:1022 circle:718:719 macaddr8:774:775
  money:790:791 macaddr:829:1040 inet:869:1041 aclitem:1033:1034
  bpchar:1042:1014 varchar:1043:1015 date:1082:1182 time:1083:1183
  timestamp:1114:1115 timestamptz:1184:1185 interval:1186:1187
  timetz:1266:1270 bit:1560:1561 varbit:1562:1563 numeric:1700:1231
  refcursor:1790:2201 regprocedure:2202:2207 regoper:2203:2208
  regoperator:2204:2209 regclass:2205:2210 regtype:2206:2211 uuid:2950:2951
  txid_snapshot:2970:2949 pg_lsn:3220:3221 tsvector:3614:3643
  tsquery:3615:3645 regconfig:3734:3735 regdictionary:3769:3770
  jsonb:3802:3807 int4range:3904:3905 numrange:3906:3907 tsrange:3908:3909
  tstzrange:3910:3911 daterange:3912:3913 int8range:3926:3927
  jsonpath:4072:4073 regnamespace:4089:4090 regrole:4096:4097
  regcollation:4191:4192 int4multirange:4451:6150 nummultirange:4532:6151
  tsmultirange:4533:6152 tstzmultirange:4534:6153 datemultirange:4535:6155
  int8multirange:4536:6157 pg_snapshot:5038:5039 xid8:5069:271`
  .trim()
  .split(/\s+/)
  .map((entry) => {
    const [name = "", oid, arrayOid] = entry.split(":");
    return { name, oid: Number(oid), arrayOid: Number(arrayOid) };
  });

const COMMA = 0x2c;
const SEMICOLON = 0x3b;

const BY_OID = new Map<number, ValueType>();
const BY_NAME = new Map<string, ValueType>();
for (const { name, oid, arrayOid } of BUILT_IN) {
  const element = FORMS[name] ?? STRING;
  const delimiter = name === "box" ? SEMICOLON : COMMA;
  const array: ValueType = { form: "array", element, delimiter };
  BY_OID.set(oid, element).set(arrayOid, array);
  BY_NAME.set(name, element).set(`_${name}`, array);
}
