import { execFile } from "node:child_process";
import { appendFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { PostgresBinaries } from "./postgres-binaries";
import { type Owner, own } from "./unprivileged-owner";

/** Lines of postgresql.conf. */
export type ServerSettings = Readonly<
  Record<string, string | number | boolean>
>;

export interface DataFolderOptions {
  /** To be created; its parent is there and belongs to the server's user. */
  readonly dataFolder: string;
  readonly user: string;
  readonly password: string;
  readonly settings: ServerSettings;
  /** Further arguments of initdb. */
  readonly initdb: readonly string[];
}

/**
 * Runs initdb, each time: it takes 0.4 s, and the copy of a template would
 * have the template's system identifier, by which the worker tells one server
 * from another.
 */
export async function createDataFolder(
  { initdb, owner }: PostgresBinaries,
  options: DataFolderOptions,
): Promise<void> {
  const { dataFolder, user, password, settings } = options;
  const parent = dirname(dataFolder);
  const passwordFile = `${dataFolder}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  await own(passwordFile, owner);
  const args = [
    `--pgdata=${dataFolder}`,
    `--username=${user}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    ...options.initdb,
  ];
  await promisify(execFile)(initdb, args, {
    ...owner,
    cwd: parent,
    env: serverEnvironment(),
  }).catch((error: Error & { stdout?: string; stderr?: string }) => {
    const output = `${error.stdout ?? ""}${error.stderr ?? error.message}`;
    throw new Error(
      `initdb failed in ${parent}. It needs 60 MB and a folder that its user can enter; TMPDIR sets another. It said:\n${output.trim()}`,
      { cause: error },
    );
  });
  await rm(passwordFile);
  // In the file and not on the command line, where ALTER SYSTEM could not
  // change it.
  await appendFile(`${dataFolder}/postgresql.conf`, renderSettings(settings));
}

/** By name; the server takes no private key that others may read. */
export async function writeFiles(
  dataFolder: string,
  files: Readonly<Record<string, string>> = {},
  owner: Owner,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(dataFolder, name);
    await writeFile(path, text, { mode: 0o600 });
    await own(path, owner);
  }
}

/** Nothing of the user's own PG* variables and locale. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };
}

export function renderSettings(settings: ServerSettings): string {
  return Object.entries(settings)
    .map(
      ([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`,
    )
    .join("");
}
