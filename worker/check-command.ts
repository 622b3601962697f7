/** `check`: findings about source and destination; reads and changes nothing. */
import { connect, connectionConfig } from "./connect";
import { ConfigurationError, EXIT_CODE, OperatorError } from "./errors";
import type { Finding } from "./finding";
import { checkSource } from "./preflight";
import { Releases } from "./releases";
import { VALUE_SESSION_OPTIONS } from "./session";
import type { Settings } from "./settings";
import { readSourceFacts } from "./source-facts";
import { readTables } from "./tracked-tables";
import { openTunnel } from "./tunnel";

const APPLICATION_NAME = "bemi-worker check";

/** Exit code 0 without an error among the findings, else 1. */
export async function runCheck(
  settings: Settings,
  options: { readonly json: boolean },
): Promise<number> {
  const findings = await findAll(settings);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(findings, null, 2)}\n`
      : findings.map(renderFinding).join("") ||
          "ok: source and destination are ready\n",
  );
  return findings.some(({ severity }) => severity === "error")
    ? EXIT_CODE.failed
    : EXIT_CODE.stopped;
}

async function findAll(settings: Settings): Promise<Finding[]> {
  await using releases = new Releases();
  const findings: Finding[] = [];
  try {
    const tunnel = settings.ssh
      ? releases.use(
          await openTunnel(settings.ssh, AbortSignal.timeout(60_000)),
        )
      : undefined;
    const details = {
      applicationName: APPLICATION_NAME,
      ...(tunnel ? { tunnel } : {}),
    };
    const source = await connect(
      settings.source,
      await connectionConfig(settings.source, {
        ...details,
        options: VALUE_SESSION_OPTIONS,
      }),
    );
    releases.defer(() => source.end());
    findings.push(
      ...checkSource(
        await readSourceFacts(source, settings),
        await readTables(source),
        settings,
      ),
    );
  } catch (error) {
    findings.push(unreachable("source", error));
  }
  if (settings.destinationIsSource) return findings;
  try {
    const destination = await connect(
      settings.destination,
      await connectionConfig(settings.destination, {
        applicationName: APPLICATION_NAME,
      }),
    );
    releases.defer(() => destination.end());
  } catch (error) {
    findings.push(unreachable("destination", error));
  }
  return findings;
}

function unreachable(which: "source" | "destination", error: unknown): Finding {
  const configuration = error instanceof ConfigurationError;
  return {
    code: `${which}-unreachable`,
    severity: "error",
    message: error instanceof Error ? error.message : String(error),
    remedy:
      error instanceof OperatorError
        ? error.remedy
        : `correct the ${which}'s connection and run check again`,
    exitCode: configuration ? 2 : 3,
  };
}

function renderFinding({ severity, code, message, remedy }: Finding): string {
  return `${severity} ${code}: ${message}\n  ${remedy.replaceAll("\n", "\n  ")}\n`;
}
