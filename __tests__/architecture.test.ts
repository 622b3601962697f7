import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Imports, importsOf } from "./support/imports";

const root = join(__dirname, "..");

interface Rule {
  readonly folder: string;
  /** Folders of ours that it may reach, itself included. */
  readonly mayReach: readonly string[];
  readonly mayNotUse?: RegExp;
  readonly environment?: boolean;
}

const rules: readonly Rule[] = [
  {
    folder: "config",
    mayReach: ["config"],
    mayNotUse: /^(?!zod$|node:(net|path)$)/,
  },
  {
    folder: "worker",
    mayReach: ["worker", "config"],
    mayNotUse: /^(cdktf|cdktn|constructs|@cdktf\/|@cdktn\/|@aws-sdk\/|aws-sdk)/,
  },
  { folder: "constructs", mayReach: ["constructs"], environment: false },
  { folder: "stacks", mayReach: ["stacks", "constructs", "config"] },
  {
    folder: "scripts",
    // The lab runs what the stacks render; the benchmark measures the package.
    mayReach: [
      ...["scripts", "config", "worker", "stacks", "constructs"],
      "mikro-orm/source",
    ],
    // The example is started as a process, as its users start it.
    mayNotUse: /^(@bemi-db\/|express$)/,
  },
  {
    folder: "mikro-orm/source",
    mayReach: ["mikro-orm/source"],
    mayNotUse: /^(?!@mikro-orm\/core$|node:)/,
    environment: false,
  },
  {
    folder: "mikro-orm/example",
    mayReach: ["mikro-orm/example"],
    mayNotUse:
      /^(?!@bemi-db\/mikro-orm$|@mikro-orm\/(core|migrations|postgresql)$|express$|node:)/,
  },
];

/** What breaks the rule, as sentences; empty when nothing does. */
function violations(
  rule: Rule,
  { files, packages }: Imports,
  read: (path: string) => string,
): string[] {
  const outside = files.filter(
    (file) => !rule.mayReach.some((folder) => file.startsWith(`${folder}/`)),
  );
  const forbidden = packages.filter((name) => rule.mayNotUse?.test(name));
  const environment =
    rule.environment === false
      ? files.filter((file) => /\bprocess\.env\b/.test(read(file)))
      : [];
  return [
    ...outside.map((file) => `${rule.folder} reaches ${file}`),
    ...forbidden.map((name) => `${rule.folder} uses ${name}`),
    ...environment.map((file) => `${file} reads process.env`),
  ];
}

const present = rules.filter(({ folder }) => existsSync(join(root, folder)));

test.each(present)("$folder imports only what it may", async (rule) => {
  const imports = await importsOf(root, rule.folder);
  expect(imports.files.length).toBeGreaterThan(0);
  expect(
    violations(rule, imports, (path) => readFileSync(join(root, path), "utf8")),
  ).toEqual([]);
});

test("the example names all that it imports", async () => {
  const { packages } = await importsOf(root, "mikro-orm/example");
  const manifest = join(root, "mikro-orm/example/package.json");
  const { dependencies } = JSON.parse(readFileSync(manifest, "utf8"));
  expect(packages.filter((name) => !name.startsWith("node:")).sort()).toEqual(
    Object.keys(dependencies).sort(),
  );
});

test("the environment is read in one place of the worker", async () => {
  const { files } = await importsOf(root, "worker");
  const readers = files.filter((file) =>
    /\bprocess\.env\b/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(readers).toEqual(["worker/main.ts"]);
});

test.each([
  ["pg-logical-replication", ["replication.ts"]],
  ["pg-copy-streams", ["copy.ts"]],
])("%s is known to one file of the worker", async (name, expected) => {
  const { files } = await importsOf(root, "worker");
  const users = files.filter((file) =>
    readFileSync(join(root, file), "utf8").includes(`from "${name}"`),
  );
  expect(users.map((file) => file.split("/").at(-1))).toEqual(expected);
});

// It would decode gigabytes for a figure that the catalogue has. `gap --to`
// and `drain` look once, when an operator asks.
test("only an operator's command looks into the log", async () => {
  const { files } = await importsOf(root, "worker");
  const lookers = files.filter((file) =>
    /pg_logical_slot_(peek|get)/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(lookers).toEqual(["worker/source/undelivered.ts"]);
});

test("a violation through another file is found", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "imports-"));
  for (const folder of ["worker", "config", "stacks"])
    mkdirSync(join(scratch, folder));
  writeFileSync(join(scratch, "worker", "a.ts"), 'import "../config/b";');
  writeFileSync(join(scratch, "config", "b.ts"), 'import "../stacks/c";');
  writeFileSync(
    join(scratch, "stacks", "c.ts"),
    'import "cdktf"; console.log(process.env.X);',
  );
  const rule = rules.find(({ folder }) => folder === "worker") as Rule;
  const found = violations(rule, await importsOf(scratch, "worker"), () => "");
  expect(found).toEqual(["worker reaches stacks/c.ts", "worker uses cdktf"]);
});
