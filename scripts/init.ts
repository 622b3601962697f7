/**
 * `npm run init -- <env>`: writes a first environments/<env>.json. What is not
 * said by an option is a placeholder there; a file that exists is left alone.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Problem } from "../config/problem";
import { EnvironmentError, readEnvironment } from "../config/read-environment";
import { isEnvironmentFile, sharesPattern } from "../config/read-environments";
import { UNFILLED } from "../config/text-rules";
import {
  environmentCommand,
  Failure,
  runCommand,
  UsageError,
} from "./command-line";
import { type Answers, firstEnvironment } from "./init/first-environment";

runCommand(async () => {
  const program = readCommandLine();
  refuseOtherModes(program);
  const [name = ""] = program.args;
  const folder = join(process.cwd(), "environments");
  refuseNearNames(folder, name);
  const file = join(folder, `${name}.json`);
  const shown = relative(process.cwd(), file);
  const answers = program.opts<Answers>();
  const text = `${JSON.stringify(firstEnvironment(answers), null, 2)}\n`;
  const problems = problemsOf(shown, text);
  const wrong = problems.filter(({ message }) => !message.startsWith(UNFILLED));
  if (wrong.length > 0) throw new EnvironmentError(shown, wrong);
  write(file, text, shown);
  console.log(renderNextSteps(name, shown, problems));
});

/** They would have no effect, and the file another mode than was meant. */
function refuseOtherModes(program: Command): void {
  const { mode } = program.opts<Answers>();
  for (const option of program.options) {
    const [, of] =
      /^The mode (\w+):$/.exec(option.helpGroupHeading ?? "") ?? [];
    const source = program.getOptionValueSource(option.attributeName());
    if (of === undefined || of === mode || source !== "cli") continue;
    throw new UsageError(
      `${option.long} is for --mode ${of}, and the mode is ${mode}: give --mode ${of}, or leave ${option.long} out`,
    );
  }
}

/** Before anything is written: of such a pair no file would be taken. */
function refuseNearNames(folder: string, name: string): void {
  const near = readdirSync(folder)
    .filter(isEnvironmentFile)
    .map((other) => basename(other, ".json"))
    .find((other) => sharesPattern(name, other));
  if (near === undefined) return;
  const short = near.length < name.length ? near : name;
  throw new UsageError(
    `'${short}-*' would deploy the stacks of ${near} and of ${name}: take another name`,
  );
}

function write(file: string, text: string, shown: string): void {
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") {
      throw new Failure(`${shown} could not be written: ${message}`);
    }
    throw new UsageError(
      `${shown} is there already, and is left as it is: edit it, or take another name`,
    );
  }
}

function renderNextSteps(
  name: string,
  shown: string,
  unfilled: readonly Problem[],
): string {
  const fields = unfilled.map(
    ({ path, message }) => `  ${path}: ${message.slice(UNFILLED.length + 2)}`,
  );
  return [
    `wrote ${shown}`,
    ...(fields.length > 0 ? ["", `Fill in, in ${shown}:`, ...fields] : []),
    "",
    "Then check it, which needs neither network nor credentials:",
    "  npm run synth",
    "and deploy it (docs/deploy.md has every step):",
    `  npm run deploy -- ${name}`,
  ].join("\n");
}

function problemsOf(file: string, text: string): readonly Problem[] {
  try {
    readEnvironment(file, text);
    return [];
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
}

function readCommandLine(): Command {
  return environmentCommand(
    "init",
    "Writes a first environments/<env>.json. What no option says is left at its default, or is a placeholder to fill in. A file that exists is never touched.",
  )
    .addOption(
      new Option("--mode <mode>", "how the worker reaches the database")
        .choices(["direct", "ssh", "vpn"])
        .default("vpn"),
    )
    .optionsGroup("The database whose changes are recorded:")
    .option("--account <id>", "its AWS account")
    .option("--region <region>", "its region")
    .option("--host <name>", "its writer endpoint")
    .option("--database <name>", "its name")
    .option("--user <name>", "role of the worker (default: bemi)")
    .option("--rds-instance <id>", "its DBInstanceIdentifier")
    .option("--aurora-cluster <id>", "its DBClusterIdentifier")
    .option("--no-rds", "it is not on RDS")
    .option("--postgres-version <major>", "14 to 18", readWhole)
    .option("--storage-gib <number>", "storage of the RDS instance", readWhole)
    .optionsGroup("The mode vpn:")
    .option("--vpc <id>", "VPC of the database")
    .option(
      "--subnet-cidrs <list>",
      "networks of its subnet group, with commas",
      readList,
    )
    .option(
      "--security-group <id>",
      "of the database, to be opened for the node",
    )
    .option("--node-subnet <id>", "private subnet for the VPN node")
    .option("--server-key <key>", "WireGuard key of a server that is not ours")
    .option(
      "--server-endpoint <host[:port]>",
      "and where it is; there is no worker then",
    )
    .optionsGroup("The mode ssh:")
    .option("--ssh-host <name>", "jump host")
    .option("--ssh-user <name>", "user on it")
    .option("--ssh-host-key <key>", "its host key, as ssh-keyscan prints it")
    .optionsGroup("Worker, destination, alarms and state:")
    .option(
      "--worker-account <id>",
      "AWS account of the worker (default: the database's)",
    )
    .option("--worker-region <region>", "its region (default: the database's)")
    .option(
      "--destination-host <name>",
      "a PostgreSQL that is there (default: a new Aurora)",
    )
    .option("--destination-database <name>", "its database")
    .option("--destination-user <name>", "role that will own `changes`")
    .option("--email <address...>", "who is told when something is wrong")
    .option(
      "--state-bucket <name>",
      "S3 bucket of Terraform's state (default: local files)",
    )
    .option("--state-region <region>", "its region (default: the database's)")
    .parse();
}

function readWhole(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("a whole number is needed.");
}

function readList(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}
