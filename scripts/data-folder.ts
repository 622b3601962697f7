import { execFile } from "node:child_process";
import { appendFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { copyTemplate, TEMPLATES_VARIABLE } from "./data-folder-template";
import type { PostgresBinaries } from "./postgres-binaries";
import type { PostgresMajor } from "./postgres-major";
import { type Owner, own } from "./unprivileged-owner";

/** Lines of postgresql.conf. */
export type ServerSettings = Readonly<
  Record<string, string | number | boolean>
>;

export interface DataFolderOptions {
  /** To be created; its parent is there and belongs to the server's user. */
  readonly dataFolder: string;
  readonly major: PostgresMajor;
  readonly user: string;
  /** With templates `templatePassword()`. */
  readonly password: string;
  readonly settings: ServerSettings;
  /** Further arguments of initdb. */
  readonly initdb: readonly string[];
}

/** Runs initdb, or copies what it made before (data-folder-template.ts). */
export async function createDataFolder(
  binaries: PostgresBinaries,
  options: DataFolderOptions,
): Promise<void> {
  const { dataFolder, settings } = options;
  const templates = process.env[TEMPLATES_VARIABLE];
  const make = (folder: string) => runInitdb(binaries, folder, options);
  if (templates) {
    const { major, user, initdb } = options;
    const name = encodeURIComponent([major, user, ...initdb].join(" "));
    const { owner } = binaries;
    await copyTemplate(dataFolder, { folder: templates, name, owner, make });
  } else await make(dataFolder);
  // In the file and not on the command line, where ALTER SYSTEM could not
  // change it.
  await appendFile(`${dataFolder}/postgresql.conf`, renderSettings(settings));
}

async function runInitdb(
  { initdb, owner }: PostgresBinaries,
  dataFolder: string,
  options: DataFolderOptions,
): Promise<void> {
  const { user, password } = options;
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
