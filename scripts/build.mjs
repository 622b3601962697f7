// Bundles the worker, or another program of its modules, into one file that runs
// with nothing but Node.
import { build } from "esbuild";

const [entry = "worker/main.ts", outfile = "dist/worker.js"] =
  process.argv.slice(2);

await build({
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
});
