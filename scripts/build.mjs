// Bundles the worker into one file that runs with nothing but Node.
import { build } from "esbuild";

await build({
  entryPoints: ["worker/main.ts"],
  outfile: "dist/worker.js",
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
