/**
 * The integration suite on every supported version of PostgreSQL, one version
 * after the other. The newest one's run is the whole suite, and the VPN's tests
 * run beside the older ones. The last line counts everything that ran.
 */
import {
  type ChildProcess,
  type StdioOptions,
  spawn,
} from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { imageNode } from "./image-node";
import {
  MAJOR_VARIABLE,
  NEWEST_MAJOR,
  SUPPORTED_MAJORS,
  type SupportedMajor,
} from "./postgres-major";
import {
  countTests,
  failureTexts,
  type JestResults,
  type TestCounts,
  totalLine,
} from "./test-counts";
import { ONCE } from "./version-independent-tests";

const root = dirname(__dirname);

/**
 * Of the older versions' runs. Their tests wait more than they compute: on 14
 * they took 350 s of processor time. More would leave too little for the VPN's,
 * which hold times under test. The newest one's run has those that measure
 * memory and delay, and keeps to jest.config.js.
 */
const WORKERS = "5";
/** From a run's end to that of what it said. */
const OUTPUT_PATIENCE_MS = 5_000;
/**
 * Runs on the image's Node.js, where that is installed; all others on the one
 * that runs this. A version whose servers differ little from the newest's.
 */
const ON_IMAGE_NODE: SupportedMajor = 17;
const OUTPUT: StdioOptions = ["inherit", "pipe", "pipe"];

const program = new Command()
  .name("npm run test:matrix --")
  .description("Runs the integration tests on every version of PostgreSQL.")
  .argument("[patterns...]", "run only test files whose path matches")
  .option(
    "--majors <list>",
    `some of ${SUPPORTED_MAJORS.join(",")}`,
    readMajors,
    SUPPORTED_MAJORS,
  )
  .option("--vpn", "also npm run test:vpn, which needs root")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

interface MatrixOptions {
  readonly majors: readonly SupportedMajor[];
  readonly vpn?: true;
}

void testMatrix(program.opts<MatrixOptions>(), program.args);

async function testMatrix(
  { majors, vpn }: MatrixOptions,
  patterns: readonly string[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "bemi-matrix-"));
  const versions = newestFirst(majors).map((major): Run => {
    const node = major === ON_IMAGE_NODE ? imageNode() : undefined;
    return {
      name: `PostgreSQL ${major}${node ? " on the image's Node.js" : ""}`,
      start: (results) => jest(major, patterns, results, node),
    };
  });
  // The newest one's run measures memory and delay, and has the machine alone.
  const alone = majors.includes(NEWEST_MAJOR) ? 1 : 0;
  const lanes = [
    versions.slice(alone),
    vpn ? [{ name: "VPN", start: testVpn }] : [],
  ];
  try {
    const outcomes = await inTurn(versions.slice(0, alone), folder);
    const beside = lanes.map((runs) => inTurn(runs, folder));
    outcomes.push(...(await Promise.all(beside)).flat());
    report(outcomes);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Run {
  readonly name: string;
  /** Jest's results are in that file, unless it fails before it has any. */
  readonly start: (results: string) => ChildProcess;
}

interface Outcome {
  readonly name: string;
  readonly counts: TestCounts;
  /** As `failureTexts` has them. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

/** One after the other, each to its end, whatever the outcome. */
async function inTurn(
  runs: readonly Run[],
  folder: string,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, start } of runs) {
    console.error(`\n${name}\n`);
    const results = join(folder, `${name}.json`);
    const startedMs = performance.now();
    const child = start(results);
    // Two may speak at once: whose a line is has to be seen.
    for (const stream of [child.stdout, child.stderr])
      if (stream)
        createInterface({ input: stream }).on("line", (line) =>
          console.error(`${name}: ${line}`),
        );
    const closed = once(child, "close");
    await once(child, "exit");
    // What a test has left running may hold its output for ever.
    await Promise.race([
      closed,
      sleep(OUTPUT_PATIENCE_MS, undefined, { ref: false }),
    ]);
    child.stdout?.destroy();
    child.stderr?.destroy();
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const text = await readFile(results, "utf8").catch(() => undefined);
    outcomes.push({ name, seconds, ...readResults(name, text) });
  }
  return outcomes;
}

function readResults(
  name: string,
  text: string | undefined,
): Pick<Outcome, "counts" | "failures"> {
  if (text !== undefined) {
    const results: JestResults = JSON.parse(text);
    return { counts: countTests(results), failures: failureTexts(results) };
  }
  const problem = `The run "${name}" ended without results; what it said is above.`;
  return { counts: NO_RESULTS, failures: [problem] };
}

/** As a file that fails before its first test. */
const NO_RESULTS: TestCounts = { passed: 0, failed: 1, skipped: 0 };

function report(outcomes: readonly Outcome[]): void {
  const lines = outcomes.map(
    ({ name, counts, seconds }) =>
      `${name}: ${totalLine([counts])}, ${seconds} s`,
  );
  const all = outcomes.map(({ counts }) => counts);
  // Again: their own places are thousands of lines above.
  for (const { name, failures } of outcomes) {
    for (const text of failures) console.error(`\n${name}: FAILED ${text}`);
  }
  console.log([...lines, totalLine(all)].join("\n"));
  process.exitCode = all.some(({ failed }) => failed > 0) ? 1 : 0;
}

/** What is wrong everywhere shows first. */
function newestFirst(majors: readonly SupportedMajor[]) {
  return majors.toSorted((one, other) => other - one);
}

function jest(
  major: SupportedMajor,
  patterns: readonly string[],
  results: string,
  node: string | undefined,
): ChildProcess {
  const selection = major === NEWEST_MAJOR ? [] : onEveryVersion();
  // Also for what a test starts by its name.
  const path = node && `${dirname(node)}${delimiter}${process.env.PATH}`;
  return spawn(
    node ?? process.execPath,
    [
      createRequire(__filename).resolve("jest/bin/jest"),
      // First: behind an option that takes a list they would belong to it.
      ...patterns,
      ...["--passWithNoTests", "--json", "--outputFile", results],
      ...selection,
    ],
    {
      cwd: root,
      env: {
        ...process.env,
        ...(path && { PATH: path }),
        [MAJOR_VARIABLE]: String(major),
      },
      stdio: OUTPUT,
    },
  );
}

/** A process of its own, which clears away what its tests have left. */
function testVpn(results: string): ChildProcess {
  return spawn(
    process.execPath,
    ["--import", "tsx", "scripts/test-vpn.ts", "--json", results],
    { cwd: root, stdio: OUTPUT },
  );
}

function onEveryVersion(): readonly string[] {
  return [
    ...["--maxWorkers", WORKERS],
    ...["--testMatch", "<rootDir>/__tests__/**/*.pg.test.ts"],
    ...Object.keys(ONCE).flatMap((file) => [
      "--testPathIgnorePatterns",
      `/${file.replaceAll(".", "\\.")}$`,
    ]),
  ];
}

function readMajors(text: string): readonly SupportedMajor[] {
  const majors = text.split(",").map((word) => {
    const major = SUPPORTED_MAJORS.find((known) => String(known) === word);
    if (major) return major;
    throw new InvalidArgumentError(
      `${SUPPORTED_MAJORS.join(", ")} are the versions, separated by commas.`,
    );
  });
  return [...new Set(majors)];
}
