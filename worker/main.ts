#!/usr/bin/env node
/**
 * The worker's command line. The only place that reads the environment, listens
 * to signals and ends the process.
 */
import { Command } from "commander";
import { runAdopt } from "./adopt-command";
import { runCheck } from "./check-command";
import { runDrain } from "./drain-command";
import { emitEmf } from "./emf";
import { ConfigurationError, EXIT_CODE, OperatorError } from "./errors";
import { runGap } from "./gap-command";
import { serveHttp } from "./http";
import { refuseUnfit } from "./inspect";
import { createLog, describeError, type Log } from "./log";
import { type Lsn, parseLsn } from "./lsn";
import { prometheusMetrics } from "./metrics";
import { readSettings, type Settings } from "./settings/settings";
import { runSetup } from "./setup-command";
import { SlotHolder } from "./source/slot-holder";
import { Status } from "./status";
import { supervise } from "./supervise";
import { runTrail } from "./trail";

const program = new Command()
  .name("worker")
  .description(
    "Reads the write-ahead log of a PostgreSQL database and stores every row change with the application's context in the table `changes`. Configured by environment variables (docs/configuration.md).",
  )
  .showHelpAfterError("--help names the subcommands and their options")
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : EXIT_CODE.configuration);
  });

program
  .command("run", { isDefault: true })
  .description("track changes until SIGTERM or SIGINT (the default)")
  .action(() => finish(run, { endsInOrder: true }));

program
  .command("check")
  .description("check source and destination; changes nothing")
  .option("--json", "findings as JSON")
  .action(({ json }: { json?: boolean }) =>
    finish((settings) => runCheck(settings, { json: json === true })),
  );

program
  .command("setup")
  .description(
    "create what the source needs: replica identities, event triggers, publication, slot",
  )
  .action(() =>
    finish((settings, signal) => runSetup(settings, logFor(settings), signal)),
  );

program
  .command("gap")
  .description(
    "go on after changes were lost for good, and record which in _bemi_gaps",
  )
  .option("--reason <text>", "what happened, for the record")
  .option(
    "--to <lsn>",
    "leave out what the source still has, but cannot give, up to this position",
  )
  .option("--yes", "do it; without, only say what would be done")
  .action(({ reason, to, yes }: GapArguments) =>
    finish((settings, signal) =>
      runGap(
        settings,
        {
          ...(reason ? { reason } : {}),
          ...(to ? { to: positionOf("--to", to) } : {}),
          yes: yes === true,
        },
        logFor(settings),
        signal,
      ),
    ),
  );

program
  .command("drain")
  .description(
    "before a planned move to another server: read the rest, and prove that nothing is left",
  )
  .option("--drop-slot", "drop the slot afterwards, as an upgrade may ask for")
  .action(({ dropSlot }: { dropSlot?: boolean }) =>
    finish((settings, signal) =>
      runDrain(
        settings,
        { dropSlot: dropSlot === true },
        logFor(settings),
        signal,
      ),
    ),
  );

program
  .command("adopt")
  .description(
    "go on with another server: after drain without a gap, else with one in _bemi_gaps",
  )
  .option("--reason <text>", "what happened, where nothing was drained")
  .option("--yes", "do it; without, only say what would be done")
  .action(({ reason, yes }: { reason?: string; yes?: boolean }) =>
    finish((settings, signal) =>
      runAdopt(
        settings,
        { ...(reason ? { reason } : {}), yes: yes === true },
        logFor(settings),
        signal,
      ),
    ),
  );

interface GapArguments {
  readonly reason?: string;
  readonly to?: string;
  readonly yes?: boolean;
}

function positionOf(option: string, text: string): Lsn {
  try {
    return parseLsn(text);
  } catch (cause) {
    throw new ConfigurationError(
      [
        `${option}: got ${JSON.stringify(text)}; a position as PostgreSQL writes it is needed, such as 0/16B3748`,
      ],
      { cause },
    );
  }
}

async function run(settings: Settings, signal: AbortSignal): Promise<number> {
  const log = logFor(settings);
  const status = new Status();
  status.isPasswordStale = () =>
    settings.source.login.isStale || settings.destination.login.isStale;
  await using http = await serveHttp(
    settings.http,
    status,
    prometheusMetrics(status, settings.slotName),
  );
  log.info({ host: settings.http.host, port: http.port }, "health and metrics");
  if (settings.metrics === "emf") {
    const { slotName, metricsEnvironment: environment } = settings;
    emitEmf(
      status,
      { slotName, ...(environment ? { environment } : {}) },
      signal,
    );
  }
  signal.addEventListener("abort", () => {
    status.state = "stopping";
    log.info("stopping");
  });
  await using slotHolder = new SlotHolder(settings, log, signal);
  // Awaited here: returning the promise would end `http` at once.
  return await supervise(
    async (stop) => {
      if (!status.hasStreamed) await refuseUnfit(settings, log, stop);
      await runTrail({ settings, status, log, slotHolder }, stop);
    },
    { status, log },
    signal,
  );
}

/** With what is to be said of the variables at each start. */
function logFor({ logLevel, warnings }: Settings): Log {
  const log = createLog(logLevel);
  for (const warning of warnings) log.warn(warning);
  return log;
}

/** Settings in, exit code out; a wrong variable is said before anything runs. */
async function finish(
  command: (settings: Settings, signal: AbortSignal) => Promise<number>,
  { endsInOrder = false }: { readonly endsInOrder?: boolean } = {},
): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      stop.abort();
      // What the other commands do is whole by itself, statement by statement,
      // and nobody should wait for a lock with Ctrl-C in hand.
      if (!endsInOrder) process.exit(EXIT_CODE.failed);
    });
  }
  process.exit(
    await exitCode(() => command(readSettings(process.env), stop.signal)),
  );
}

async function exitCode(command: () => Promise<number>): Promise<number> {
  try {
    return await command();
  } catch (error) {
    const log = createLog("info");
    if (error instanceof ConfigurationError) {
      for (const problem of error.problems)
        log.fatal({ exitCode: EXIT_CODE.configuration }, problem);
      return EXIT_CODE.configuration;
    }
    if (error instanceof OperatorError) {
      log.fatal(
        { exitCode: EXIT_CODE.operator, remedy: error.remedy },
        error.message,
      );
      return EXIT_CODE.operator;
    }
    log.fatal(
      { exitCode: EXIT_CODE.failed, error: describeError(error) },
      "failed",
    );
    return EXIT_CODE.failed;
  }
}

// What nobody awaited is a bug, and going on could skip a change.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    createLog("info").fatal({ error: describeError(error) }, event);
    process.exit(EXIT_CODE.failed);
  });
}

void program.parseAsync();
