/** For the commands about a trail that has begun: `gap`, `drain`, `adopt`. */
import type { Watermark } from "./destination/watermark";
import { ConfigurationError } from "./errors";
import { refuse } from "./finding";
import { inspectDestination } from "./inspect";
import type { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";

/** @throws when the destination is not fit, or has no trail of this slot. */
export async function readBegunTrail(
  settings: Settings,
  servers: Servers,
): Promise<Watermark> {
  const { findings, watermark } = await inspectDestination(settings, servers);
  refuse(findings);
  if (!watermark) throw noTrail(settings);
  return watermark;
}

export function noTrail({ slotName, source }: Settings): ConfigurationError {
  return new ConfigurationError([
    `SLOT_NAME: the destination has no trail of slot "${slotName}" in database "${source.database}", so there is nothing to repair; one begins when the worker starts`,
  ]);
}
