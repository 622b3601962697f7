import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT_CODE } from "../../worker/errors";
import { FIGURES } from "../../worker/metrics";

const root = join(__dirname, "..", "..");
const page = readFileSync(join(root, "docs", "operations.md"), "utf8");
const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
  String(text),
);

/** First cells of the rows of a table under a heading. */
function rows(heading: string): string[][] {
  const section = page.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("|---"))
    .slice(1)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** “Gaps”, "Exit codes" and `lost slot`, as comments and remedies name them. */
const named = readdirSync(join(root, "worker"), {
  recursive: true,
  encoding: "utf8",
})
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) => {
    const text = readFileSync(join(root, "worker", name), "utf8");
    const mention = /docs\/operations\.md, (?:[“"]([^”"]+)[”"]|(\w[\w ]*\w))/g;
    return [...text.matchAll(mention)].map((match) => [
      name,
      String(match[1] ?? match[2]),
    ]);
  });

test("remedies name several of its headings", () => {
  expect(named.length).toBeGreaterThanOrEqual(5);
});

test.each(named)(
  "%s sends its reader to “%s”, which is there",
  (_file, heading) => {
    const there = headings.map((text) => text.toLowerCase());
    expect(there).toContain(heading.toLowerCase());
  },
);

test("the table of exit codes has each of the worker's, once", () => {
  expect(rows("Exit codes").map(([code]) => Number(code))).toEqual(
    Object.values(EXIT_CODE),
  );
});

test("the table of metrics is what the worker has", () => {
  expect(rows("Metrics")).toEqual(
    FIGURES.map(({ name, emfName, unit, help }) => [
      `\`${name}\``,
      `\`${emfName}\``,
      unit,
      help,
    ]),
  );
});

test("every subcommand that it shows is one", () => {
  const main = readFileSync(join(root, "worker", "main.ts"), "utf8");
  const known = [...main.matchAll(/\.command\("(\w+)"/g)].map(
    ([, name]) => name,
  );
  const shown = [...page.matchAll(/node worker\.js (\w+)/g)].map(
    ([, name]) => name,
  );
  expect(new Set(shown).size).toBeGreaterThanOrEqual(3);
  expect(known).toEqual(expect.arrayContaining(shown));
});
