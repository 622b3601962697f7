/** What is in files, of which there may be many. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Files below the folder that have one of the texts; `secrets` are left out. */
export function filesWith(folder: string, texts: readonly string[]): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("/secrets"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const content = readFileSync(path, "latin1");
      return texts.some((text) => content.includes(text));
    });
  return found.map((path) => relative(folder, path));
}
