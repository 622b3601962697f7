import { parseTablePatterns } from "../../worker/settings/tables";
import {
  covers,
  planPublication,
  publicationStatement,
} from "../../worker/source/publication";
import { aTable } from "../support/source-facts";

const tables = [
  aTable("todo"),
  aTable("Odd"),
  aTable("fast", { unlogged: true }),
  aTable("invoice", { schema: "billing" }),
];
const schemas = ["public", "billing"];

function plan(patterns: string, versionNum = 180000) {
  return planPublication({
    versionNum,
    patterns: parseTablePatterns(patterns),
    tables,
    schemas,
  });
}

function statement(patterns: string, versionNum = 180000): string {
  const sql = publicationStatement(
    "bemi",
    versionNum,
    plan(patterns, versionNum),
  );
  return sql.replace(/^CREATE PUBLICATION "bemi" /, "").replace(/ WITH .*/, "");
}

describe("the publication", () => {
  test.each([
    [
      "public.todo,billing.invoice",
      'FOR TABLE ONLY "public"."todo", ONLY "billing"."invoice"',
    ],
    ["public.Odd,public.odd", 'FOR TABLE ONLY "public"."Odd"'],
    ["public.*", 'FOR TABLES IN SCHEMA "public"'],
    ["public.to*", 'FOR TABLES IN SCHEMA "public"'],
    ["public.*,!public.todo", 'FOR TABLES IN SCHEMA "public"'],
    ["public.*,public.todo", 'FOR TABLES IN SCHEMA "public"'],
    [
      "public.todo,billing.*",
      'FOR TABLE ONLY "public"."todo", TABLES IN SCHEMA "billing"',
    ],
    ["tenant_*.todo", "FOR ALL TABLES"],
    ["*.*", "FOR ALL TABLES"],
  ])("of TRACK_TABLES=%s is %s", (patterns, expected) => {
    expect(statement(patterns)).toBe(expected);
  });

  test("is of all tables on 14 where a name is open, since it knows no schemas", () => {
    expect(statement("public.*", 140000)).toBe("FOR ALL TABLES");
    expect(statement("public.todo", 140000)).toBe(
      'FOR TABLE ONLY "public"."todo"',
    );
  });

  test("publishes every operation under the leaf's name, and from 18 on stored generated columns", () => {
    const options =
      "publish = 'insert, update, delete, truncate', publish_via_partition_root = false";
    expect(publicationStatement("b", 170000, plan("*.*"))).toBe(
      `CREATE PUBLICATION "b" FOR ALL TABLES WITH (${options})`,
    );
    expect(publicationStatement("b", 180000, plan("*.*"))).toBe(
      `CREATE PUBLICATION "b" FOR ALL TABLES WITH (${options}, publish_generated_columns = stored)`,
    );
  });

  test("names what it cannot cover", () => {
    expect(plan("public.nope,public.fast,public.todo").missing).toEqual([
      "public.nope",
      "public.fast",
    ]);
    expect(plan("nowhere.*").missing).toEqual(["nowhere.*"]);
  });

  test("covers a partition by its own schema and by its parents, and no unlogged table", () => {
    const parent = { oid: 99, schema: "billing", name: "parent" };
    const leaf = aTable("leaf", { schema: "parts", ancestors: [parent] });
    expect(covers(plan("billing.*"), leaf)).toBe(true);
    expect(covers(plan("public.*"), leaf)).toBe(false);
    const byParent = { allTables: false, schemas: [], tableOids: [99] };
    expect(covers(byParent, leaf)).toBe(true);
    expect(covers(plan("*.*"), aTable("fast", { unlogged: true }))).toBe(false);
  });
});
