/** What npm would publish. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";
import { mikroModules } from "../support/mikro-application";
import { projectWithPackage } from "../support/mikro-package";

const installed = join(
  projectWithPackage([mikroModules("6")]),
  "node_modules/@bemi-db/mikro-orm",
);
const files = readdirSync(installed, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(installed, join(entry.parentPath, entry.name)));

const read = (name: string) => readFileSync(join(installed, name), "utf8");

test("holds the program, its types, its page and its licence, and nothing else", () => {
  const needed =
    /^(LICENSE|README\.md|package\.json|dist\/(index\.[cm]js|bemi\.cjs|[\w-]+\.d\.[cm]ts))$/;
  expect(files.filter((name) => !needed.test(name))).toEqual([]);
  const { main, module, types, bin, exports } = JSON.parse(
    read("package.json"),
  );
  const named = JSON.stringify([main, module, types, bin, exports]);
  const paths = [...named.matchAll(/"((?:\.\/)?(?:dist\/|package)[^"]*)"/g)];
  expect(paths.length).toBeGreaterThan(8);
  for (const [, path = ""] of paths)
    expect([path, existsSync(join(installed, path))]).toEqual([path, true]);
});

test("needs nothing but MikroORM, 6 or 7", async () => {
  const { dependencies, peerDependencies } = JSON.parse(read("package.json"));
  expect(dependencies).toBeUndefined();
  expect(peerDependencies).toEqual({ "@mikro-orm/core": "^6.4.0 || ^7.0.0" });
  const { metafile } = await build({
    absWorkingDir: installed,
    entryPoints: files.filter((name) => /\.[cm]js$/.test(name)),
    bundle: true,
    packages: "external",
    platform: "node",
    outdir: "unused",
    entryNames: "[name]-[hash]",
    write: false,
    metafile: true,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) =>
    input.imports.map(({ path }) => path),
  );
  expect(imports).toContain("@mikro-orm/core");
  for (const path of imports)
    expect(path).toMatch(/^(node:[\w/]+|@mikro-orm\/core)$/);
});

test("each type that it names is there", () => {
  for (const name of files.filter((name) => /\.d\.[cm]ts$/.test(name)))
    for (const [, path = ""] of read(name).matchAll(/"\.\/([^"]+)"/g)) {
      const types = path.replace(/\.([cm])js$/, ".d.$1ts");
      expect([name, types, files.includes(`dist/${types}`)]).toEqual([
        name,
        types,
        true,
      ]);
    }
});
