/** CDKTF and Terraform, as far as an environment is deployed with them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInForeground, runProgram } from "../child-process";
import { Failure } from "../command-line";

export interface CdktfSettings {
  /** The kit's folder, with cdktf.json. */
  readonly root: string;
  /** Every plan is carried out without being asked for. */
  readonly approve: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** The first Terraform that locks its state by a file in the bucket. */
const OLDEST_TERRAFORM = [1, 10] as const;

export class Cdktf {
  readonly #env: NodeJS.ProcessEnv;

  constructor(readonly settings: CdktfSettings) {
    const { env = process.env } = settings;
    // It would ask HashiCorp for newer versions, and wait for the answer.
    this.#env = { CHECKPOINT_DISABLE: "1", ...env };
  }

  /** @throws Failure when Terraform is missing or too old */
  async requireTerraform(): Promise<void> {
    const program = this.#env.TERRAFORM_BINARY_NAME || "terraform";
    const { code, stdout } = await runProgram(program, ["version", "-json"], {
      env: this.#env,
    });
    const needed = OLDEST_TERRAFORM.join(".");
    if (code === undefined) {
      throw new Failure(
        `there is no ${program} on PATH: install Terraform ${needed} or later`,
      );
    }
    const version = /"terraform_version":\s*"(\d+)\.(\d+)/.exec(stdout);
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    const [oldestMajor, oldestMinor] = OLDEST_TERRAFORM;
    const isOld =
      major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
    if (!version || isOld) {
      throw new Failure(
        `${program} is ${version ? `${major}.${minor}` : "of an unknown version"}: ${needed} or later is needed, which locks the state in its bucket`,
      );
    }
  }

  async synth(): Promise<void> {
    await this.#run(["synth"]);
  }

  /** Stacks of the last synthesis, of all environments. */
  stackNames(): string[] {
    const path = join(this.settings.root, "cdktf.out", "manifest.json");
    const { stacks = {} }: { stacks?: Record<string, unknown> } = JSON.parse(
      readFileSync(path, "utf8"),
    );
    return Object.keys(stacks);
  }

  /**
   * @param stacks - by their whole names: `prod-*` could be those of another
   *   environment as well
   */
  async deploy(
    stacks: readonly string[],
    { isSynthesized }: { readonly isSynthesized: boolean },
  ): Promise<void> {
    await this.#run([
      "deploy",
      ...stacks,
      ...(this.settings.approve ? ["--auto-approve"] : []),
      ...(isSynthesized ? ["--skip-synth"] : []),
    ]);
  }

  async #run(args: readonly string[]): Promise<void> {
    console.error(`cdktf ${args.join(" ")}`);
    const code = await runInForeground("cdktf", args, {
      env: this.#env,
      cwd: this.settings.root,
    });
    if (code === 0) return;
    if (code === undefined) {
      throw new Failure(
        "there is no cdktf on PATH: start this as npm run deploy, which has it",
      );
    }
    throw new Failure(
      `cdktf ${args[0]} ended with ${code === null ? "a signal" : `exit code ${code}`}; what it says is above. What is deployed stays: run the same command again to go on`,
    );
  }
}
