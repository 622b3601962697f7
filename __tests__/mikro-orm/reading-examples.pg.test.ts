/** The README's examples of reading back, run over real changes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bemiUpSql } from "../../mikro-orm/source/up-sql";
import { Cluster } from "../../scripts/cluster";
import { ChangesReader } from "../support/changes-reader";
import { MikroApplication } from "../support/mikro-application";
import { TrackedDatabase } from "../support/tracked-database";

const root = join(__dirname, "..", "..");
const readme = readFileSync(join(root, "mikro-orm", "README.md"), "utf8");
const [, section = ""] = readme.split("\n## Reading back\n");
const [configuration = "", ...examples] = [
  ...(section.split("\n## ")[0] ?? "").matchAll(/```ts\n(.*?)\n```/gs),
].map(([, code = ""]) => code);
const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

test("the README's code is what runs here", () => {
  const program = oneLine(
    readFileSync(join(__dirname, "reading-examples.ts"), "utf8"),
  );
  expect(configuration).toContain("entities: [Todo, Change]");
  expect(examples.length).toBeGreaterThan(3);
  for (const code of examples)
    expect({ code, runs: program.includes(oneLine(code)) }).toEqual({
      code,
      runs: true,
    });
});

/** What stands around the examples. */
const inProgram = (code: string) => `
import { Change, changesByContext, recordAsOf, recordHistory, tableAsOf, tableOf, undoSql } from "@bemi-db/mikro-orm";
import { defineEntity, EntitySchema, p, type EntityManager, type MikroORM } from "@mikro-orm/postgresql";
class Todo { id!: bigint; title!: string; at!: Date; }
declare const em: EntityManager, orm: MikroORM, changesOrm: MikroORM;
declare const requestId: string, noon: Date;
declare function show(...some: unknown[]): void;
${configuration.replace(/^import.*/, "")}
export async function program() {
${code}
}`;

test.each(["6", "7"] as const)(
  "it has types with MikroORM %s",
  async (version) => {
    const application = await MikroApplication.prepare(version, "esm");
    const compiled = (code: string) => application.compile(inProgram(code));
    expect(await compiled(examples.join("\n"))).toBe("");
    // What has no class, or no entity at all, has types and columns as well.
    const others = `
      const noteSchema = new EntitySchema<{ id: number; text: string }>({ name: "Note", properties: { id: { type: "number", primary: true }, text: { type: "string" } } });
      const Book = defineEntity({ name: "Book", properties: { id: p.integer().primary(), title: p.string() } });
      const text: string | undefined = (await recordAsOf(em, noteSchema, 1, noon))?.values.text;
      const [last] = await recordHistory(em, tableOf(em, Book), 1);
      const title: string | undefined = last?.after?.values.title;
      for await (const { values } of tableAsOf(em, Book, noon)) title satisfies typeof values.title;
      const invoice = { table: "invoice", key: ["year", "no"] };
      show((await recordAsOf(em, invoice, [2026, 17], noon))?.values.total);`;
    expect(await compiled(others)).toBe("");
    const messages = await compiled(`
      const found = await recordAsOf(em, Todo, 5n, noon);
      const title: string | undefined = found?.values.title;
      const at: string | undefined = found?.values.at;
      const id: bigint | undefined = found?.values.id;
      const date: Date | undefined = found?.values.at;
      found?.values.other;
      await recordAsOf(em, { table: "todo" }, 5, noon);`);
    expect(messages.match(/TS\d+.*/g)).toEqual([
      expect.stringMatching("TS2322: Type 'string.*' is not assignable"),
      expect.stringMatching("TS2339: Property 'other' does not exist"),
      expect.stringMatching("TS2345: .*'{ table: string; }'"),
    ]);
  },
);

test("it does what the README says", async () => {
  await using cluster = await Cluster.start({ settings: { fsync: "off" } });
  await using tracked = await TrackedDatabase.start(cluster, {
    env: { TRACK_TABLES: "*.*" },
    schema: `
      CREATE TABLE todo (id bigint PRIMARY KEY, title text, amount numeric, data jsonb, doc json, seen_at timestamptz, done boolean NOT NULL DEFAULT false);
      CREATE SCHEMA billing;
      CREATE TABLE billing.invoice (year int, no int, PRIMARY KEY (year, no));
      ${bemiUpSql()}`,
  });
  const request = (requestId: string, sql: string) =>
    tracked.sql(`/*Bemi {"requestId":"${requestId}","userId":5} Bemi*/ ${sql}`);
  await request("one", "INSERT INTO todo (id, title) VALUES (5, 'first')");
  await request("two", "UPDATE todo SET title = 'second'");
  await tracked.sql("INSERT INTO billing.invoice VALUES (2026, 17)");
  await tracked.sql("INSERT INTO todo (id, title) VALUES (6, 'gone')");
  await tracked.sql("DELETE FROM todo WHERE id = 6");
  await tracked.caughtUp();
  await using reader = await ChangesReader.start(
    "6",
    cluster.url(tracked.destination.database),
  );
  const shown = await reader.call<unknown[][]>(
    "examples",
    "two",
    new Date().toISOString(),
  );
  const time = expect.stringMatching(/^[\d-]+T[\d:]+\.\d{6}Z$/);
  expect(shown.slice(1, 5)).toEqual([
    ["UPDATE", time, { requestId: "two", userId: 5 }],
    ["first", "second"],
    ["CREATE", time, { requestId: "one", userId: 5 }],
    [null, "first"],
  ]);
  expect(shown.slice(6, 9)).toEqual([
    ["second"],
    ["todo", "CREATE"],
    ["todo", "UPDATE"],
  ]);
  expect(shown[0]).toMatchObject([[{ primaryKey: "6", operation: "DELETE" }]]);
  expect(shown.at(-2)).toMatchObject([{ values: { year: 2026, no: 17 } }]);
  expect(shown.at(-1)?.[0]).toMatchObject([{ primaryKey: "5" }, {}]);
  await tracked.sql(String(shown.at(-3)?.[0]));
  const { rows } = await tracked.source.client.query("SELECT title FROM todo");
  expect(rows).toEqual([{ title: "first" }]);
});
