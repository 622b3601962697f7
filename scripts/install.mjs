// Installs the dependencies when node_modules does not match package-lock.json,
// so that `npm start` and `npm test` work on a clean clone; with a folder as its
// argument that folder's, which only the tests need. Plain Node, since nothing
// else is there yet. npm keeps node_modules/.package-lock.json as the
// record of what it installed; a stamp beside it holds the lock's hash.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(
  dirname(dirname(fileURLToPath(import.meta.url))),
  process.argv[2] ?? "",
);
const stamp = join(root, "node_modules", ".installed-lock-sha256");

const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .update(process.version.split(".")[0])
  .digest("hex");

if (installed() !== wanted) {
  console.error(`Installing dependencies (npm ci) in ${root} …`);
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status } = spawnSync(npm, ["ci", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error(
      "npm ci failed, see above. The npm registry must be reachable, or its cache warm; then run the command again.",
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

function installed() {
  try {
    return readFileSync(stamp, "utf8");
  } catch {
    return undefined;
  }
}
