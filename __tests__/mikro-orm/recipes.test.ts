/** What the README shows for a framework is what the application of that framework has. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(__dirname, "..", "..");
const applications: Readonly<Record<string, readonly string[]>> = {
  "The statement in the context": [
    "../../../mikro-orm/example/mikro-orm.config.ts",
  ],
  Fastify: ["fastify.ts"],
  Koa: ["koa.ts"],
  NestJS: ["nest.ts"],
  "Next.js": [
    "next/app/notes/route.ts",
    "next/app/actions.ts",
    "next/next.config.mjs",
  ],
  GraphQL: ["apollo.ts", "yoga.ts"],
  "Queue workers": ["bullmq.ts", "pg-boss.ts"],
};

const readme = readFileSync(join(root, "mikro-orm", "README.md"), "utf8");
const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

/** The code of a section of the README, without the semicolon at its end. */
function recipes(section: string): string[] {
  const [, text = ""] = readme.split(`\n### ${section}\n`);
  const [body = ""] = text.split(/\n##/);
  return [...body.matchAll(/```ts\n(.*?)\n```/gs)].map(([, code = ""]) =>
    oneLine(code).replace(/;$/, ""),
  );
}

describe.each(Object.entries(applications))("%s", (section, files) => {
  const sources = files.map((file) => ({
    file,
    text: oneLine(
      readFileSync(
        join(root, "__tests__", "mikro-orm", "frameworks", file),
        "utf8",
      ),
    ),
  }));

  test("the README's lines are the application's", () => {
    expect(recipes(section).length).toBeGreaterThan(0);
    for (const recipe of recipes(section))
      expect({
        recipe,
        found: sources.some(({ text }) => text.includes(recipe)),
      }).toEqual({ recipe, found: true });
  });

  test.each(sources)("something of $file is shown", ({ text }) => {
    expect(recipes(section).some((recipe) => text.includes(recipe))).toBe(true);
  });
});
