/** The kit with environment files of a test's own, for whole commands. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(__dirname, "../..");

export interface KitCopy extends Disposable {
  readonly folder: string;
}

/** @param environments - contents by environment */
export function copyKit(
  environments: Readonly<Record<string, string>>,
): KitCopy {
  const folder = mkdtempSync(join(tmpdir(), "kit-"));
  for (const name of [
    "main.ts",
    "cdktf.json",
    "package.json",
    "tsconfig.json",
  ]) {
    cpSync(join(root, name), join(folder, name));
  }
  for (const name of ["config", "stacks", "constructs", "scripts"]) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "environments"));
  for (const [name, text] of Object.entries(environments)) {
    writeFileSync(join(folder, "environments", `${name}.json`), text);
  }
  return {
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** All files below a folder with their contents, as one text. */
export function contentsOf(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map(
      (path) => `${path.slice(folder.length)}\n${readFileSync(path, "utf8")}`,
    )
    .join("\n");
}
