/**
 * The promise of the kit, nothing lost and nothing doubled, under what breaks
 * it elsewhere: two minutes of `npm run soak`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const MINUTES = 2;
/** Its plan has every kind of fault (soak.test.ts). */
const SEED = 21;
const TIMEOUT_MS = 480_000;
const root = join(__dirname, "..", "..");

test(
  `${MINUTES} minutes of faults lose, double and misplace no change (seed ${SEED})`,
  async () => {
    const child = spawn(
      process.execPath,
      [
        ...["--import", "tsx", "scripts/soak.ts"],
        ...["--minutes", String(MINUTES), "--seed", String(SEED)],
      ],
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
    );
    // It ends what it started.
    const patience = setTimeout(
      () => child.kill("SIGTERM"),
      TIMEOUT_MS - 10_000,
    );
    const [output, errors] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit"),
    ]);
    clearTimeout(patience);
    // What it says of a failure is what has to be read.
    if (child.exitCode !== 0) throw new Error(`${output}\n${errors}`);
    expect(output).toContain("passed: nothing lost");
  },
  TIMEOUT_MS,
);
