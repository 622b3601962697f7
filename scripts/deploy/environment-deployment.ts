/**
 * An environment from its file to running stacks, in the order in which one
 * needs the other. Every step finds what is done already and leaves it alone,
 * so a deployment that stopped goes on when it is started again.
 */
import type { Environment } from "../../config/environment";
import { namesOf } from "../../config/names";
import { Failure } from "../command-line";
import type { EnvironmentFile } from "../environment-file";
import type { Docker } from "../image/docker";
import { ensureImage } from "../image/environment-image";
import { renderImageResult } from "../image/image-report";
import { ensureKeys, keyRun } from "../keys/environment-keys";
import { renderHandover, renderKeyResults } from "../keys/key-report";
import { missingSecrets } from "../secret/database-secret";
import type { Cdktf } from "./cdktf";

export interface Deployment {
  readonly file: EnvironmentFile;
  readonly cdktf: Cdktf;
  /** The kit's folder. */
  readonly root: string;
  readonly now: Date;
  readonly docker?: Docker;
}

export async function deployEnvironment(work: Deployment): Promise<void> {
  // Whatever is wrong with the file is said before anything is made.
  work.file.read();
  await work.cdktf.requireTerraform();
  for (const [index, [title, step]] of steps.entries()) {
    console.error(`\n${index + 1}/${steps.length} ${title}`);
    await step(work);
  }
}

type Step = (work: Deployment) => Promise<void>;

const steps: readonly (readonly [string, Step])[] = [
  ["Foundation", deployFoundation],
  ["Keys", makeKeys],
  ["Passwords", requirePasswords],
  ["Image", pushImage],
  ["Stacks", deployStacks],
];

async function deployFoundation({ file, cdktf }: Deployment): Promise<void> {
  const { foundation } = namesOf(file.read().name).stacks;
  await cdktf.deploy([foundation], { isSynthesized: false });
}

async function makeKeys({ file, now }: Deployment): Promise<void> {
  const run = keyRun(file, now);
  const results = await ensureKeys(run);
  console.log(renderKeyResults(run.environment, file.shownPath, results));
  const handover = renderHandover(run.environment, results);
  if (handover.length === 0) return;
  // A worker that the jump host turns away is taken for a broken one, and ECS
  // gives up its deployment. A VPN that waits for its other end is not.
  if (run.environment.connection.mode === "ssh") {
    throw new Failure(
      `the jump host does not know the new key yet: ${handover.join("; ")}; then run the same command again to go on`,
    );
  }
  console.log(handover.join("\n"));
}

/** A task whose secret has no value does not start, and ECS tries for long. */
async function requirePasswords({ file }: Deployment): Promise<void> {
  const environment = file.read();
  const missing = await missingSecrets(environment);
  if (missing.length === 0) return;
  const commands = missing.map(
    ({ database, missing: what }) =>
      `npm run secret -- ${environment.name} ${database}${what === "client key" ? " --client-key FILE" : ""}`,
  );
  throw new Failure(
    `the worker's password is not in Secrets Manager yet: run ${commands.join(" and ")}, then the same command again to go on`,
  );
}

async function pushImage({ file, root, docker }: Deployment): Promise<void> {
  const result = await ensureImage(file, {
    root,
    ...(docker ? { docker } : {}),
  });
  console.log(renderImageResult(result, file.shownPath));
}

async function deployStacks({ file, cdktf }: Deployment): Promise<void> {
  // Stacks that need a key or a digest are left out until the file has it.
  await cdktf.synth();
  const environment = file.read();
  const there = cdktf.stackNames();
  const missing = expectedStacks(environment).filter(
    (name) => !there.includes(name),
  );
  if (missing.length > 0) {
    throw new Failure(
      `cdktf synth made no stack ${missing.join(", ")}: its warnings above say why`,
    );
  }
  const own = Object.values(namesOf(environment.name).stacks);
  // The foundation again: it exports what a stack that was left out reads of it.
  const stacks = own.filter((name) => there.includes(name));
  await cdktf.deploy(stacks, { isSynthesized: true });
}

function expectedStacks({ name, worker, connection }: Environment): string[] {
  const { stacks } = namesOf(name);
  return [
    stacks.foundation,
    ...(worker ? [stacks.worker] : []),
    ...(connection.mode === "vpn" ? [stacks.vpnNode] : []),
  ];
}
