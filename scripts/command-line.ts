/** What the operator's commands have in common: options, failures, exit codes. */
import { Command, CommanderError } from "commander";
import { EnvironmentError } from "../config/read-environment";

/** Something went wrong that one sentence explains; it says what to do next. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** Asked for in a way that cannot be done. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

/** `npm run <name> -- <env>`. Problems with the arguments end it with 2. */
export function environmentCommand(name: string, description: string): Command {
  return new Command(`npm run ${name} --`)
    .description(description)
    .argument("<env>", "environment: the name of a file in environments/")
    .allowExcessArguments(false)
    .exitOverride();
}

/** Runs a command and sets the exit code. */
export function runCommand(work: () => Promise<void>): void {
  void work().catch((error: unknown) => {
    process.exitCode = report(error);
  });
}

function report(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  if (error instanceof EnvironmentError || error instanceof UsageError) {
    console.error(error.message);
    return exitCodes.usage;
  }
  if (error instanceof Failure) console.error(error.message);
  else console.error(error);
  return exitCodes.failed;
}
