/**
 * `npm run check:cdktn`: that the stacks are the same with CDK Terrain (cdktn),
 * which goes on where the archived CDKTF has ended. The sources are copied,
 * their imports renamed, type-checked and synthesized, and the JSON compared.
 * Nothing of the repository is changed; it needs the npm registry.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { differences, withCdktn } from "./cdktn/comparison";

const root = join(__dirname, "..");
const packages = ["cdktn@0.24", "@cdktn/provider-aws@25", "constructs@~10.7.2"];
const sources = ["main.ts", "config", "stacks", "constructs", "environments"];
/** What the sources use beside CDKTF, as it is installed here. */
const shared = ["zod", "@types/node", "undici-types"];
const maxShown = 20;

/** A step failed; its output says why. */
class StepError extends Error {}

function main(): number {
  const folder = mkdtempSync(join(tmpdir(), "cdktn-"));
  try {
    const before = synthesizeHere(join(folder, "cdktf.out"));
    const after = synthesizeWithCdktn(join(folder, "cdktn"));
    const found = differences(before, after);
    for (const line of found.slice(0, maxShown)) console.error(line);
    if (found.length > 0) {
      console.error(`${found.length} differences between cdktf and cdktn`);
      return 1;
    }
    console.log(
      `${before.size} stacks are the same with cdktn but for versions and the provider's source`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    console.error(error.message);
    return 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function synthesizeHere(output: string): Map<string, unknown> {
  console.log("synthesizing with cdktf …");
  run(root, ["--import", require.resolve("tsx"), "main.ts"], output);
  return templatesIn(output);
}

function synthesizeWithCdktn(folder: string): Map<string, unknown> {
  copySources(folder);
  console.log(`installing ${packages.join(", ")} …`);
  install(folder);
  for (const name of shared) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { recursive: true, force: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  console.log("checking types …");
  run(folder, [join(root, "node_modules/typescript/bin/tsc"), "--noEmit"]);
  console.log("synthesizing with cdktn …");
  const output = join(folder, "cdktf.out");
  run(folder, ["--import", require.resolve("tsx"), "main.ts"], output);
  return templatesIn(output);
}

function copySources(folder: string): void {
  mkdirSync(folder);
  for (const name of sources) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  for (const entry of readdirSync(folder, {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const path = join(entry.parentPath, entry.name);
    writeFileSync(path, withCdktn(readFileSync(path, "utf8")));
  }
  const { compilerOptions } = JSON.parse(
    readFileSync(join(root, "tsconfig.json"), "utf8"),
  ) as { compilerOptions: object };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: { ...compilerOptions, types: ["node"] },
      include: sources,
    }),
  );
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
}

/** Its packages ask for Node.js 22; what is used of them here runs on 20. */
function install(folder: string): void {
  const { status, stderr } = spawnSync(
    "npm",
    [
      ...["install", ...packages, "--ignore-scripts", "--no-audit"],
      ...["--no-fund", "--no-package-lock", "--engine-strict=false"],
      ...["--prefer-offline", "--loglevel=error"],
    ],
    { cwd: folder, encoding: "utf8" },
  );
  if (status !== 0) throw new StepError(`npm install failed:\n${stderr}`);
}

function run(cwd: string, args: readonly string[], output?: string): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...(output ? { CDKTF_OUTDIR: output } : {}) },
  });
  if (status === 0) return;
  throw new StepError(`${args.at(-1)} failed in ${cwd}:\n${stdout}${stderr}`);
}

function templatesIn(output: string): Map<string, unknown> {
  const folder = join(output, "stacks");
  return new Map(
    readdirSync(folder).map((stack) => [
      stack,
      JSON.parse(readFileSync(join(folder, stack, "cdk.tf.json"), "utf8")),
    ]),
  );
}

new Command("npm run check:cdktn --")
  .description(
    "Checks, in a temporary folder, that the stacks of environments/ compile and synthesize to the same with CDK Terrain (cdktn) in CDKTF's place.",
  )
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();
process.exitCode = main();
