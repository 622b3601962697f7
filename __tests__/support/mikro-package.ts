/** The packed MikroORM package, as npm would install it from the registry. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const root = join(__dirname, "..", "..");
const sources = ["package.json", "README.md", "LICENSE", "tsconfig.json"];

let archive: string | undefined;

/**
 * A project that has the package, out of this repository, and links to what
 * else it needs.
 */
export function projectWithPackage(links: readonly string[]): string {
  archive ??= pack();
  const project = mkdtempSync(join(tmpdir(), "project-"));
  const modules = join(project, "node_modules");
  const installed = join(modules, "@bemi-db", "mikro-orm");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", [
    ...["-xzf", archive, "-C", installed],
    "--strip-components=1",
  ]);
  for (const link of links) symlinkSync(link, join(modules, basename(link)));
  return project;
}

/** Built out of a copy: tests in other processes do so at the same time. */
function pack(): string {
  const folder = mkdtempSync(join(tmpdir(), "package-"));
  const copy = join(folder, "mikro-orm");
  for (const name of [...sources, "build.mjs", "source"])
    cpSync(join(root, "mikro-orm", name), join(copy, name), {
      recursive: true,
    });
  cpSync(join(root, "tsconfig.json"), join(folder, "tsconfig.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  execFileSync("npm", ["pack", "--pack-destination", folder], {
    cwd: copy,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const name = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (!name) throw new Error("npm pack made no archive");
  return join(folder, name);
}
