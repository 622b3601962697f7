import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";

const script = join(__dirname, "..", "..", "scripts", "bench.ts");

function run(...args: string[]) {
  return spawnSync(process.execPath, ["--import", "tsx", script, ...args], {
    encoding: "utf8",
    // It would measure until then, and end its servers.
    timeout: 30_000,
  });
}

test.each([
  [["--rounds", "0"], "a whole number from 1"],
  [["--only", "speed"], "are the sections"],
  [["--json", join(tmpdir(), "no", "such", "f")], "cannot be written (ENOENT)"],
])("%j is refused before anything is measured", (args, reason) => {
  const { status, stderr } = run(...args);
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringContaining(reason),
  });
});
