/**
 * The integration suite on every supported version of PostgreSQL, one version
 * after the other. The newest one's run is the whole suite. The last line
 * counts everything that ran.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import {
  MAJOR_VARIABLE,
  NEWEST_MAJOR,
  SUPPORTED_MAJORS,
  type SupportedMajor,
} from "./postgres-major";
import { countTests, type TestCounts, totalLine } from "./test-counts";
import { ONCE } from "./version-independent-tests";

const root = dirname(__dirname);

/**
 * Of the older versions' runs. Their tests wait more than they compute: on 15
 * they took about 450 s of processor time, and 2,590 s one after the other, on a
 * busy machine. The newest one's run has those that measure memory and delay,
 * and keeps to jest.config.js.
 */
const WORKERS = "4";

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
  .option("--vpn", "after them npm run test:vpn, which needs root")
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
  const all: TestCounts[] = [];
  const lines: string[] = [];
  try {
    const runs = [
      ...newestFirst(majors).map((major) => ({
        name: `PostgreSQL ${major}`,
        run: (results: string) => jest(major, patterns, results),
      })),
      ...(vpn ? [{ name: "VPN", run: testVpn }] : []),
    ];
    for (const { name, run } of runs) {
      console.error(`\n${name}\n`);
      const results = join(folder, `${name}.json`);
      const startedMs = performance.now();
      await run(results);
      const text = await readFile(results, "utf8").catch(() => undefined);
      if (text === undefined) {
        console.error(
          `The run "${name}" ended without results; what it said is above.`,
        );
        process.exitCode = 1;
        return;
      }
      const counts = countTests(JSON.parse(text));
      const seconds = Math.round((performance.now() - startedMs) / 1000);
      all.push(counts);
      lines.push(`${name}: ${totalLine([counts])}, ${seconds} s`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log([...lines, totalLine(all)].join("\n"));
  process.exitCode = all.some(({ failed }) => failed > 0) ? 1 : 0;
}

/** What is wrong everywhere shows first. */
function newestFirst(majors: readonly SupportedMajor[]) {
  return majors.toSorted((one, other) => other - one);
}

/** Runs to the end, whatever the outcome: that is in `results`. */
async function jest(
  major: SupportedMajor,
  patterns: readonly string[],
  results: string,
): Promise<void> {
  const selection = major === NEWEST_MAJOR ? [] : onEveryVersion();
  const child = spawn(
    process.execPath,
    [
      createRequire(__filename).resolve("jest/bin/jest"),
      // First: behind an option that takes a list they would belong to it.
      ...patterns,
      ...["--passWithNoTests", "--json", "--outputFile", results],
      ...selection,
    ],
    {
      cwd: root,
      env: { ...process.env, [MAJOR_VARIABLE]: String(major) },
      stdio: ["inherit", "inherit", "inherit"],
    },
  );
  await once(child, "exit");
}

/** A process of its own, which clears away what its tests have left. */
async function testVpn(results: string): Promise<void> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "scripts/test-vpn.ts", "--json", results],
    { cwd: root, stdio: "inherit" },
  );
  await once(child, "exit");
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
