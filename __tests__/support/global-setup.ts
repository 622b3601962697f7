/**
 * Once per test run: bundles the worker, and gives the run a temporary folder
 * of its own, out of which everything that a crashed or timed-out test left is
 * ended and removed when the run ends. (Code under test cannot do that itself:
 * jest never emits "exit" on the `process` that it hands to tests.)
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEMPLATES_VARIABLE } from "../../scripts/data-folder-template";
import { descendantsOf, sendSignal } from "../../scripts/lab/processes";

export default function globalSetup(): void {
  const folder = mkdtempSync(join(tmpdir(), "bemi-tests-"));
  // PostgreSQL's user has to get through; see scripts/postgres-binaries.ts.
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  // Its name is a password, and this folder cannot be listed by others.
  const templates = join(folder, randomBytes(12).toString("hex"));
  mkdirSync(templates, { mode: 0o711 });
  process.env[TEMPLATES_VARIABLE] = templates;
  process.once("exit", () => sweep(folder));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(1));
  bundleWorker();
}

/**
 * A failure is shown and leaves no bundle, so that only those tests fail that
 * run the worker.
 */
function bundleWorker(): void {
  if (!existsSync("worker/main.ts")) return;
  const build = spawnSync(process.execPath, ["scripts/build.mjs"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (build.status !== 0) rmSync("dist/worker.js", { force: true });
}

/** Knows the marks of `Cluster` (its data folder), `Sshd` and `WorkerProcess`. */
function sweep(folder: string): void {
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    if (entry.endsWith(".pid")) sendSignal(pidIn(path), "SIGKILL");
    sendSignal(pidIn(join(path, "data", "postmaster.pid")), "SIGQUIT");
    // Its connections outlive it; those of a paused one would for ever.
    for (const sshd of pidIn(join(path, "sshd.pid")))
      sendSignal([sshd, ...descendantsOf(sshd)], "SIGKILL");
  }
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  } catch {
    // Something still writes there. An error here would be caught by whatever
    // test runs just now, and jest would go on instead of ending.
  }
}

/** None when there is no such file. */
function pidIn(file: string): number[] {
  if (!existsSync(file)) return [];
  return [Number.parseInt(readFileSync(file, "utf8"), 10)];
}
