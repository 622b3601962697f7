// Bundles the package as an ES module and as CommonJS, and gives each its types:
// declarations name the files beside them with their extensions.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");

for (const [entry, outfile, format] of [
  ["index", "index.mjs", "esm"],
  ["index", "index.cjs", "cjs"],
  ["command-line", "bemi.cjs", "cjs"],
]) {
  await build({
    absWorkingDir: root,
    entryPoints: [`source/${entry}.ts`],
    outfile: join(dist, outfile),
    ...(entry === "index" ? {} : { banner: { js: "#!/usr/bin/env node" } }),
    bundle: true,
    platform: "node",
    target: "node20",
    format,
    external: ["@mikro-orm/core"],
    logLevel: "warning",
  });
}

// Only what the public types lead to.
const wanted = new Set(["index"]);
for (const name of wanted) {
  const text = readFileSync(join(dist, `${name}.d.ts`), "utf8");
  for (const [, other] of text.matchAll(/["']\.\/([\w-]+)["']/g))
    wanted.add(other);
  for (const letter of ["m", "c"])
    writeFileSync(
      join(dist, `${name}.d.${letter}ts`),
      text.replace(/(["'])(\.\/[\w-]+)\1/g, `"$2.${letter}js"`),
    );
}
for (const name of readdirSync(dist))
  if (name.endsWith(".d.ts")) rmSync(join(dist, name));
