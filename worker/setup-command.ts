/** `setup`: what the first run does to the source, by itself. */

import { EXIT_CODE } from "./errors";
import type { Log } from "./log";
import { connect, connectionConfig } from "./network/connect";
import { openTunnel } from "./network/tunnel";
import { Releases } from "./releases";
import type { Settings } from "./settings/settings";
import { VALUE_SESSION_OPTIONS } from "./source/session";
import { setUpSource } from "./source/setup";

export async function runSetup(
  settings: Settings,
  log: Log,
  signal: AbortSignal,
): Promise<number> {
  await using releases = new Releases();
  const tunnel = settings.ssh
    ? releases.use(await openTunnel(settings.ssh, signal))
    : undefined;
  const client = await connect(
    settings.source,
    await connectionConfig(settings.source, {
      applicationName: "bemi-worker setup",
      options: VALUE_SESSION_OPTIONS,
      ...(tunnel ? { tunnel } : {}),
    }),
  );
  releases.defer(() => client.end());
  const { created } = await setUpSource(client, settings, log);
  log.info(
    { created },
    created.length > 0
      ? "the source is set up"
      : "the source was set up already",
  );
  return EXIT_CODE.stopped;
}
