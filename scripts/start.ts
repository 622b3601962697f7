/**
 * `npm start`: the kit on this computer. An embedded PostgreSQL, the real
 * worker, a small to-do session, its changes as a table; then every further
 * change until Ctrl-C. With DB_HOST set, the worker on that database instead.
 */
import { Command, CommanderError } from "commander";
import { UsageError } from "./command-line";
import { runEmbedded } from "./embedded-run";
import { followDatabase } from "./follow-database";
import { WorkerFailure } from "./local-worker";

const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;
const workerConfigurationCode = 2;

/** A Ctrl-C can arrive twice: from the terminal, and passed on by npm. */
const samePressMs = 500;

async function main(): Promise<number> {
  const interrupted = interruption();
  try {
    const { once } = readOptions();
    if (!process.env.DB_HOST) await runEmbedded({ once, interrupted });
    else if (once) return usage("--once needs no DB_HOST: unset it");
    else await followDatabase({ env: process.env, interrupted });
    return exitCodes.done;
  } catch (error) {
    return report(error, interrupted);
  }
}

function readOptions(): { readonly once: boolean } {
  const command = new Command("npm start --")
    .description(
      "Tracks the changes of a small to-do session on an embedded PostgreSQL, shows them, and goes on with every change of yours until Ctrl-C. With DB_HOST and the worker's other variables set, runs the worker on that database instead.",
    )
    .option("--once", "end after the table", false)
    .exitOverride();
  return command.parse().opts();
}

function report(error: unknown, interrupted: AbortSignal): number {
  // Commander has said it already.
  if (error instanceof CommanderError)
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (interrupted.aborted && error === interrupted.reason)
    return exitCodes.interrupted;
  console.error(error instanceof Error ? error.message : error);
  const isUsage =
    error instanceof UsageError ||
    (error instanceof WorkerFailure && error.code === workerConfigurationCode);
  return isUsage ? exitCodes.usage : exitCodes.failed;
}

function usage(problem: string): number {
  console.error(problem);
  return exitCodes.usage;
}

/** Aborted by the first Ctrl-C; a second one does not wait for anything. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  let firstAt = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (firstAt === 0) {
        firstAt = Date.now();
        console.error("\nStopping … (Ctrl-C again does not wait)");
        controller.abort();
      } else if (Date.now() - firstAt > samePressMs) {
        // Exit handlers kill what still runs.
        process.exit(exitCodes.failed);
      }
    });
  }
  return controller.signal;
}

void main().then((code) => {
  process.exitCode = code;
});
