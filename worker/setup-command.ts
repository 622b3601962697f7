/** `setup`: what the first run does to the source, by itself. */
import { EXIT_CODE } from "./errors";
import type { Log } from "./log";
import { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";
import { setUpSource } from "./source/setup";

export async function runSetup(
  settings: Settings,
  log: Log,
  signal: AbortSignal,
): Promise<number> {
  await using servers = new Servers(settings, {
    applicationName: "bemi-worker setup",
    signal,
  });
  const client = await servers.connectSource();
  const { created } = await setUpSource(client, settings, log);
  log.info(
    { created },
    created.length > 0
      ? "the source is set up"
      : "the source was set up already",
  );
  return EXIT_CODE.stopped;
}
