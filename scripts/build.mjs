// Bundles the worker, or another program of its modules, into one file that runs
// with nothing but Node.
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { build } from "esbuild";

const [entry = "worker/main.ts", outfile = "dist/worker.js"] =
  process.argv.slice(2);

const { outputFiles } = await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  // Optional native parts: pg falls back to JavaScript, ssh2 to node:crypto.
  external: [
    "pg-native",
    "cpu-features",
    "./crypto/build/Release/sshcrypto.node",
  ],
  legalComments: "linked",
  sourcemap: "linked",
  logLevel: "warning",
  write: false,
});

// Each file at once: test runs beside each other start the bundle, and each
// makes it. One that is written in place is half a program meanwhile.
await mkdir(dirname(outfile), { recursive: true });
for (const { path, contents, text } of outputFiles) {
  const unfinished = `${path}.${process.pid}`;
  const mode = text.startsWith("#!") ? 0o755 : 0o644;
  await writeFile(unfinished, contents, { mode });
  await rename(unfinished, path);
}
