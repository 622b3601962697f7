/**
 * The fault suite (docs/operations.md, "Fault suite"): everything that breaks
 * change data capture elsewhere, for a set time, and then every row compared.
 */
import { rmSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "./command-line";
import { missingForLab } from "./lab/requirements";
import { NO_SSHD, sshdPath } from "./lab/sshd";
import { chosenMajor } from "./postgres-major";
import { nameOf, THROUGH, type Through } from "./soak/fault-action";
import { planFaults } from "./soak/plan";
import { problems, renderReport } from "./soak/report";
import { runSoak } from "./soak/run";

const MAX_SHOWN = 20;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly through: Through;
  readonly plan?: true;
}

const program = new Command()
  .name("npm run soak --")
  .description(
    "Kills, crashes, cuts and black-holes worker, servers and the network between them under a mixed load, then compares every row with what was committed.",
  )
  .option("--minutes <number>", "how long", readPositive, 2)
  .option("--seed <number>", "of the faults and the load", readSeed, 1)
  .addOption(
    new Option("--through <way>", "how the worker reaches the source")
      .choices(THROUGH)
      .default("direct" satisfies Through),
  )
  .option("--plan", "only print which fault happens when")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => process.exit(1));
}
void soak(program.opts<Options>()).catch((error: Error) => {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? error.message : error.stack);
  process.exit(isUsage ? 2 : 1);
});

async function soak(options: Options): Promise<void> {
  const { minutes, seed, through, plan } = options;
  const durationMs = minutes * 60_000;
  if (plan) {
    for (const { atMs, action } of planFaults(seed, durationMs, through)) {
      console.log(`${(atMs / 1000).toFixed(1)} s  ${nameOf(action)}`);
    }
    return;
  }
  chosenMajor();
  const missing = missingFor(through);
  if (missing) {
    console.error(missing);
    process.exitCode = 1;
    return;
  }
  console.log(`${minutes} minutes, ${through}, seed ${seed}`);
  const report = await runSoak({ seed, durationMs, through });
  console.log(renderReport(report));
  const found = problems(report);
  if (found.length === 0) {
    console.log("passed: nothing lost, nothing doubled, all of it in order");
    rmSync(report.folder, { recursive: true, force: true });
    return;
  }
  for (const problem of found.slice(0, MAX_SHOWN)) console.log(problem);
  console.log(
    `failed with ${found.length} problems: npm run soak -- --minutes ${minutes} --seed ${seed} --through ${through}; logs in ${report.folder}`,
  );
  process.exitCode = 1;
}

/** Why there can be no such run here, in a sentence; undefined: there can. */
function missingFor(through: Through): string | undefined {
  if (through === "vpn") return missingForLab();
  if (through === "ssh" && sshdPath === undefined) return NO_SSHD;
  return undefined;
}

function readPositive(text: string): number {
  const number = Number(text);
  if (number > 0) return number;
  throw new InvalidArgumentError("a number above 0 is needed.");
}

function readSeed(text: string): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new InvalidArgumentError("a whole number from 0 is needed.");
}
