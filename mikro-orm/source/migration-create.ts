/** `bemi migration:create`: writes the migration into the application's folder. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  isMigrationFile,
  type MigrationLanguage,
  migrationFile,
} from "./migration-file";

export interface CreatedMigration {
  readonly path: string;
  /** False: one was there, and nothing was written. */
  readonly isNew: boolean;
}

/**
 * Makes the folder when it is missing, and leaves a migration that is there as
 * it is: MikroORM knows it by its name.
 *
 * @param emit - default: what the folder has, or else its project
 */
export function createMigration(
  path: string,
  emit: "ts" | "js" | undefined,
  now: Date,
): CreatedMigration {
  const folder = resolve(path);
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(folder);
  const there = names.find(isMigrationFile);
  if (there) return { path: join(path, there), isNew: false };
  const language = emit ?? (isTypeScript(folder, names) ? "ts" : "js");
  const { name, text } = migrationFile(formatOf(folder, language), now);
  writeFileSync(join(folder, name), text, { flag: "wx" });
  return { path: join(path, name), isNew: true };
}

function isTypeScript(folder: string, names: readonly string[]): boolean {
  const migrations = names.filter((name) => /^Migration.*\.[jt]s$/.test(name));
  if (migrations.length > 0)
    return migrations.some((name) => name.endsWith(".ts"));
  return nearest(folder, "tsconfig.json") !== undefined;
}

function formatOf(folder: string, language: "ts" | "js"): MigrationLanguage {
  if (language === "ts") return "ts";
  const file = nearest(folder, "package.json");
  const { type } = file ? JSON.parse(readFileSync(file, "utf8")) : {};
  return type === "module" ? "esm" : "cjs";
}

/** In the folder or one above, up to the project's own. */
function nearest(folder: string, name: string): string | undefined {
  const file = join(folder, name);
  if (existsSync(file)) return file;
  const above = dirname(folder);
  const isProject = existsSync(join(folder, "package.json"));
  return isProject || above === folder ? undefined : nearest(above, name);
}
