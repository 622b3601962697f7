// Bundles the package as an ES module and as CommonJS, and gives each its types:
// declarations name the files beside them with their extensions.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");

for (const [format, extension] of [
  ["esm", "mjs"],
  ["cjs", "cjs"],
]) {
  await build({
    absWorkingDir: root,
    entryPoints: ["source/index.ts"],
    outfile: join(dist, `index.${extension}`),
    bundle: true,
    platform: "node",
    target: "node20",
    format,
    external: ["@mikro-orm/core"],
    logLevel: "warning",
  });
}

const declared = readdirSync(dist).filter((name) => name.endsWith(".d.ts"));
for (const name of declared) {
  const path = join(dist, name);
  const text = readFileSync(path, "utf8");
  for (const letter of ["m", "c"])
    writeFileSync(
      path.replace(/ts$/, `${letter}ts`),
      text.replace(/(["'])(\.\/[\w-]+)\1/g, `"$2.${letter}js"`),
    );
  rmSync(path);
}
