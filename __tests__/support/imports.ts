/** What a folder's files import, directly and through each other. */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";

export interface Imports {
  /** Files of the repository, as paths from its root. */
  readonly files: readonly string[];
  /** Packages and Node's modules, as they are written. */
  readonly packages: readonly string[];
}

/** The closure of all TypeScript files of `folder`, below `root`. */
export async function importsOf(
  root: string,
  folder: string,
): Promise<Imports> {
  const entryPoints = sources(join(root, folder));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    bundle: true,
    write: false,
    metafile: true,
    outdir: "unused",
    platform: "node",
    // The one that allows a top-level await.
    format: "esm",
    packages: "external",
    // No `paths`: a package is a package also where its source is at hand.
    tsconfigRaw: {},
    logLevel: "silent",
  });
  const files = Object.keys(metafile.inputs).map((path) =>
    relative(root, join(root, path)),
  );
  const packages = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter((one) => one.external).map((one) => one.path),
  );
  return { files, packages: [...new Set(packages)] };
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes("node_modules"));
}
