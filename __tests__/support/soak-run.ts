/** `npm run soak` as a test: it passes, or fails with all that it said. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Through } from "../../scripts/soak/fault-action";

export interface SoakRun {
  readonly minutes: number;
  readonly seed: number;
  readonly through: Through;
  /** Of the test; it is ended shortly before. */
  readonly timeoutMs: number;
}

const root = join(__dirname, "..", "..");

export async function expectSoakToPass(run: SoakRun): Promise<void> {
  const { minutes, seed, through, timeoutMs } = run;
  const child = spawn(
    process.execPath,
    [
      ...["--import", "tsx", "scripts/soak.ts", "--through", through],
      ...["--minutes", String(minutes), "--seed", String(seed)],
    ],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  // It ends what it started.
  const patience = setTimeout(() => child.kill("SIGTERM"), timeoutMs - 10_000);
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  clearTimeout(patience);
  // What it says of a failure is what has to be read.
  if (child.exitCode !== 0) throw new Error(`${output}\n${errors}`);
  expect(output).toContain("passed: nothing lost");
}
