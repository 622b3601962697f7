/**
 * `npm run deploy -- <env>`: foundation, keys, image, and the rest of the
 * stacks. Started again after it stopped, it goes on where it was.
 */
import { join } from "node:path";
import { environmentCommand, runCommand, UsageError } from "./command-line";
import { Cdktf } from "./deploy/cdktf";
import { deployEnvironment } from "./deploy/environment-deployment";
import { EnvironmentFile } from "./environment-file";

const root = join(__dirname, "..");

const command = environmentCommand(
  "deploy",
  "Deploys an environment: its foundation, keys, the worker's image, and the rest of its stacks. Every step keeps what is there, so it can be started again at any time. Needs Terraform, and Docker unless the image is there. Every plan is shown and asked for.",
).option("-y, --yes", "carry out every plan without asking", false);

runCommand(async () => {
  command.parse();
  const [name = ""] = command.args;
  const { yes } = command.opts<{ readonly yes: boolean }>();
  const file = EnvironmentFile.of(name);
  if (!yes && !process.stdin.isTTY) {
    throw new UsageError(
      "nobody can be asked here whether a plan is to be carried out: give --yes, or start it in a terminal",
    );
  }
  await deployEnvironment({
    file,
    cdktf: new Cdktf({ root, approve: yes }),
    root,
    now: new Date(),
  });
  console.error(`\n${name} is deployed.`);
});
