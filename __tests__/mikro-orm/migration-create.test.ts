/** `npx bemi migration:create` as a user has it, in projects of every kind. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { mikroModules, nodeFor } from "../support/mikro-application";
import { projectWithPackage } from "../support/mikro-package";

let installed: string;
/** What npm links to as `bemi`. */
let program: string;
let project: string;
beforeAll(() => {
  installed = projectWithPackage([mikroModules("6")]);
  const folder = join(installed, "node_modules/@bemi-db/mikro-orm");
  const { bin } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  program = join(folder, bin.bemi);
});
beforeEach(() => {
  project = mkdtempSync(join(installed, "project-"));
});

function bemi(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, ...args],
    { cwd: project, encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

const migrations = () => readdirSync(join(project, "src/migrations"));
const create = (...args: string[]) =>
  bemi("migration:create", "--path", "src/migrations", ...args);

test.each([
  [
    "a TypeScript project",
    { "package.json": '{"type":"module"}', "tsconfig.json": "{}" },
    /\.ts$/,
    /^import .*Promise<void>/s,
  ],
  [
    "a project of ES modules",
    { "package.json": '{"type":"module"}' },
    /\.js$/,
    /^import .*up\(\) \{/s,
  ],
  [
    "a CommonJS project",
    { "package.json": "{}" },
    /\.js$/,
    /^"use strict".*exports\.Migration/s,
  ],
])("%s gets a migration of its kind, once", (_name, files, name, text) => {
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(project, file), content);
  const first = create();
  expect(first).toMatchObject({ status: 0, stderr: "" });
  expect(first.stdout).toContain("extensions: [Migrator, BemiExtension]");
  const [file = ""] = migrations();
  expect(file).toMatch(/^Migration\d{14}_bemi\./);
  expect(file).toMatch(name);
  const path = join(project, "src/migrations", file);
  expect(readFileSync(path, "utf8")).toMatch(text);
  writeFileSync(path, "changed by hand");
  const second = create();
  expect(second).toMatchObject({ status: 0 });
  expect(second.stdout).toContain(`${file} is there already`);
  expect(migrations()).toEqual([file]);
  expect(readFileSync(path, "utf8")).toBe("changed by hand");
});

// The type checker looks at that one with the options of this repository, which
// are strict: also noImplicitOverride.
test("the example's migration is what the command writes", () => {
  writeFileSync(join(project, "tsconfig.json"), "{}");
  create();
  const [file = ""] = migrations();
  const written = readFileSync(join(project, "src/migrations", file), "utf8");
  const folder = join(__dirname, "../../mikro-orm/example/migrations");
  const known = readdirSync(folder).find((name) => name.endsWith("_bemi.ts"));
  expect(readFileSync(join(folder, String(known)), "utf8")).toBe(
    written.replace(/\d{14}/, String(known).replace(/\D/g, "")),
  );
});

test.each([
  ["6", "module"],
  ["6", "commonjs"],
  ["7", "module"],
  // It requires what is ES modules alone.
  ["7", "commonjs"],
] as const)(
  "on MikroORM %s the migration of a project with type %s runs as it is",
  (version, type) => {
    if (version === "7")
      project = mkdtempSync(
        join(projectWithPackage([mikroModules("7")]), "project-"),
      );
    writeFileSync(join(project, "package.json"), JSON.stringify({ type }));
    create();
    const runner = `import("./src/migrations/${migrations()[0]}").then(async (all) => {
    const Migration = Object.values(all).find((one) => typeof one === "function");
    const migration = new Migration({}, { get: () => {} });
    await migration.up();
    console.log(String(migration.getQueries()[0]).includes("CREATE EVENT TRIGGER"));
  })`;
    const run = spawnSync(nodeFor(version), ["-e", runner], {
      cwd: project,
      encoding: "utf8",
    });
    expect(run).toMatchObject({ stdout: "true\n", stderr: "" });
  },
);

test("the language of the migrations that are there, or what --emit says, goes before the project's", () => {
  writeFileSync(join(project, "package.json"), "{}");
  writeFileSync(join(project, "tsconfig.json"), "{}");
  mkdirSync(join(project, "src/migrations"), { recursive: true });
  writeFileSync(join(project, "src/migrations/Migration1.js"), "");
  create();
  expect(migrations()[1]).toMatch(/_bemi\.js$/);
  expect(
    bemi("migration:create", "--path", "other", "--emit", "js").status,
  ).toBe(0);
  expect(readdirSync(join(project, "other"))[0]).toMatch(/\.js$/);
});

test("says what it can do, and what is wrong", () => {
  expect(bemi("--help")).toMatchObject({ status: 0, stderr: "" });
  expect(bemi("--help").stdout).toContain("migration:create");
  expect(bemi()).toMatchObject({ status: 2, stdout: "" });
  const unknown = bemi("migration:destroy");
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toMatch(/^There is no command "migration:destroy"/);
  expect(create("--emit", "coffee").stderr).toBe(
    '--emit is ts or js, not "coffee"\n',
  );
  expect(create("--nonsense").status).toBe(2);
  writeFileSync(join(project, "file"), "");
  const failed = bemi("migration:create", "--path", "file/migrations");
  expect(failed.status).toBe(1);
  expect(failed.stderr).toMatch(/^bemi: ENOTDIR/);
  expect(existsSync(join(project, "src"))).toBe(false);
});
