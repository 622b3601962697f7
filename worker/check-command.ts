/** `check`: findings about source and destination; reads and changes nothing. */

import type { Watermark } from "./destination/watermark";
import {
  ConfigurationError,
  EXIT_CODE,
  OperatorError,
  UnreachableError,
} from "./errors";
import type { Finding } from "./finding";
import { inspectDestination, inspectSource } from "./inspect";
import { describeError } from "./log";
import { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";

const TUNNEL_TIMEOUT_MS = 60_000;

/** Exit code 0 without an error among the findings, else 1. */
export async function runCheck(
  settings: Settings,
  options: { readonly json: boolean },
): Promise<number> {
  const findings = [
    ...(await findAll(settings)),
    ...settings.warnings.map(ofSettings),
  ];
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

/** Of both servers, also when one of them cannot be reached. */
async function findAll(settings: Settings): Promise<Finding[]> {
  await using servers = new Servers(settings, {
    applicationName: "bemi-worker check",
    signal: AbortSignal.timeout(TUNNEL_TIMEOUT_MS),
  });
  const findings: Finding[] = [];
  const look = async (
    which: "source" | "destination",
    find: () => Promise<Finding[]>,
  ): Promise<void> => {
    findings.push(
      ...(await find().catch((error: unknown) => [
        failure(which, error, settings),
      ])),
    );
  };
  let watermark: Watermark | undefined;
  await look("destination", async () => {
    const destination = await inspectDestination(settings, servers);
    watermark = destination.watermark;
    return destination.findings;
  });
  // One server that cannot be reached is one finding.
  if (!settings.destinationIsSource || !findings.some(isUnreachable)) {
    await look("source", async () =>
      inspectSource(settings, servers, { watermark }),
    );
  }
  return findings.sort(
    (a, b) => Number(b.severity === "error") - Number(a.severity === "error"),
  );
}

/** What a worker says of its variables at each start. */
function ofSettings(message: string): Finding {
  return {
    code: "variable",
    severity: "warning",
    message,
    remedy: "correct the variable or unset it (docs/configuration.md)",
  };
}

function isUnreachable({ code }: Finding): boolean {
  return code.endsWith("-unreachable");
}

/** What was thrown instead of found. */
function failure(
  which: "source" | "destination",
  error: unknown,
  { destinationIsSource }: Settings,
): Finding {
  if (error instanceof OperatorError) {
    return {
      code: `${which}-refused`,
      severity: "error",
      message: error.message,
      remedy: error.remedy,
    };
  }
  const connection =
    error instanceof ConfigurationError || error instanceof UnreachableError;
  // The variables that lead there are the source's, when it is both.
  const where = connection && destinationIsSource ? "source" : which;
  return {
    code: connection ? `${where}-unreachable` : `${where}-unreadable`,
    severity: "error",
    message: connection
      ? error.message
      : `the ${where} could not be read: ${JSON.stringify(describeError(error))}`,
    remedy: `correct the ${where}'s connection and run check again`,
    exitCode: error instanceof ConfigurationError ? 2 : 3,
  };
}

function renderFinding({ severity, code, message, remedy }: Finding): string {
  return `${severity} ${code}: ${message}\n  ${remedy.replaceAll("\n", "\n  ")}\n`;
}
