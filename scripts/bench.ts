/**
 * The benchmark (docs/performance.md): every figure that matters is a ratio of
 * two things measured in one run, on one machine.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { Releases } from "../worker/releases";
import { PG_RECVLOGICAL } from "./bench/drain";
import { Figures } from "./bench/figures";
import { BENCH_SETTINGS } from "./bench/pair";
import { SECTIONS } from "./bench/sections";
import { measureTunnels } from "./bench/tunnels";
import { openWays } from "./bench/ways";
import { Cluster } from "./cluster";
import { UsageError } from "./command-line";
import { chosenMajor, NEWEST_MAJOR } from "./postgres-major";
import { withProgress } from "./progress";

interface Options {
  readonly json?: string;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly tunnels?: true;
}

const ALL = Object.keys(SECTIONS);

const program = new Command()
  .name("npm run bench --")
  .description("Measures the worker against pg_recvlogical and a bare COPY.")
  .option("--json <file>", "also write the figures as JSON")
  .option("--rounds <number>", "rounds a section", readRounds, 3)
  .option("--only <sections>", `some of ${ALL.join(",")}`, readSections, ALL)
  .option("--tunnels", "only through SSH tunnel and VPN, against direct")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => process.exit(1));
}
void bench(program.opts<Options>()).catch((error: Error) => {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? error.message : error.stack);
  process.exit(isUsage ? 2 : 1);
});

async function bench(options: Options): Promise<void> {
  const { json, rounds } = options;
  if (json) refuseUnwritable(json);
  const figures = new Figures();
  const notes = options.tunnels
    ? await runTunnels(rounds, figures)
    : await runSections(options, figures);
  console.log(figures.table());
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, PostgreSQL ${chosenMajor() ?? NEWEST_MAJOR} on both sides of one machine`,
  );
  for (const note of notes) console.log(note);
  if (!json) return;
  const run = { node: process.version, cpus: cpus().length, rounds, figures };
  writeFileSync(json, `${JSON.stringify(run, null, 2)}\n`);
}

/** Before a quarter of an hour of measuring, not after it. */
function refuseUnwritable(path: string): void {
  try {
    appendFileSync(path, "");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `--json: ${path} cannot be written (${code}): give a file in a folder that there is`,
    );
  }
}

/** @returns what to know of the figures, as sentences */
async function runSections(
  { rounds, only }: Options,
  figures: Figures,
): Promise<readonly string[]> {
  await using source = await Cluster.start({ settings: BENCH_SETTINGS });
  await using destination = await Cluster.start({ settings: BENCH_SETTINGS });
  for (const name of only) {
    for (let round = 1; round <= rounds; round++) {
      await withProgress(`${name} ${round}/${rounds}`, async () =>
        SECTIONS[name]?.({ source, destination }, figures),
      );
    }
  }
  return PG_RECVLOGICAL
    ? []
    : [
        "pg_recvlogical is not installed (Debian: postgresql-client-15), its ratios are left out",
      ];
}

/** @returns what to know of the figures, as sentences */
async function runTunnels(
  rounds: number,
  figures: Figures,
): Promise<readonly string[]> {
  await using releases = new Releases();
  const { ways, notes } = await withProgress("Opening the tunnels", () =>
    openWays(releases),
  );
  for (let round = 1; round <= rounds; round++) {
    await withProgress(`tunnels ${round}/${rounds}`, () =>
      measureTunnels({ ways }, round, figures),
    );
  }
  return notes;
}

function readRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds > 0) return rounds;
  throw new InvalidArgumentError("a whole number from 1 is needed.");
}

function readSections(text: string): string[] {
  const names = text.split(",");
  if (names.every((name) => ALL.includes(name))) return names;
  throw new InvalidArgumentError(`${ALL.join(", ")} are the sections.`);
}
