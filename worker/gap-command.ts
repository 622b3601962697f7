/**
 * `gap`: goes on after changes were lost for good, and notes in `_bemi_gaps`
 * which. The only way on after a slot was lost, made anew or moved: nothing in
 * the worker does it by itself.
 */

import { readBegunTrail } from "./begun-trail";
import { migrate } from "./destination/destination-schema";
import { readWatermark, recordGap } from "./destination/watermark";
import { EXIT_CODE, OperatorError } from "./errors";
import { skipTo } from "./gap-skip";
import type { Log } from "./log";
import { formatLsn, type Lsn, parseLsn } from "./lsn";
import { Servers } from "./network/servers";
import type { Settings } from "./settings/settings";
import { commonPosition } from "./source/continuity";
import { identifySource } from "./source/identify-source";
import { setUpSource } from "./source/setup";
import { readSourceFacts } from "./source/source-facts";

export interface GapOptions {
  readonly reason?: string;
  /** Leave out what the source still has, up to this position. */
  readonly to?: Lsn;
  /** Without it the command only says what it would do. */
  readonly yes: boolean;
}

export async function runGap(
  settings: Settings,
  { reason, to: target, yes }: GapOptions,
  log: Log,
  signal: AbortSignal,
): Promise<number> {
  await using servers = new Servers(settings, {
    applicationName: "bemi-worker gap",
    signal,
  });
  const known = await readBegunTrail(settings, servers);
  const destination = await servers.connectDestination();
  await migrate(destination, settings);
  const config = await servers.sourceConfig();
  const client = await servers.connectSource();
  // The slot before the watermark, as at a start: a worker that still runs
  // moves the watermark first, and would leave a gap to be seen otherwise.
  const facts = await readSourceFacts(client, settings);
  const watermark =
    (await readWatermark(destination, known.databaseName, known.slotName)) ??
    known;
  const { timeline } = watermark;
  const server = await identifySource(settings, config, facts, timeline);
  const position = commonPosition(watermark, server);
  const { slot } = facts;
  if (target !== undefined) {
    const { publicationName } = settings;
    await skipTo(
      { to: target, reason, yes },
      {
        client,
        destination,
        watermark,
        position,
        server,
        slot,
        publicationName,
        log,
      },
    );
    return EXIT_CODE.stopped;
  }
  const readable = slot?.confirmedFlushLsn && slot.walStatus !== "lost";
  const stands = readable ? parseLsn(slot.confirmedFlushLsn) : undefined;
  if (stands !== undefined && stands <= position) {
    log.info("there is no gap: the slot still has everything");
    return EXIT_CODE.stopped;
  }
  const from = formatLsn(position);
  if (!yes || !reason) {
    throw new OperatorError(
      `changes from ${from} to ${stands === undefined ? "a new slot's beginning" : formatLsn(stands)} are missing and will stay so`,
      'to note the gap and go on: gap --reason "what happened" --yes',
    );
  }
  if (slot && stands === undefined) {
    await client.query(
      `SELECT pg_drop_replication_slot(${client.escapeLiteral(server.slotName)})`,
    );
  }
  if (stands === undefined) await setUpSource(client, settings, log);
  const now = await readSourceFacts(client, settings);
  const to = parseLsn(now.slot?.confirmedFlushLsn ?? "");
  await recordGap(destination, watermark, {
    from: position,
    to,
    timeline: server.timeline,
    reason,
  });
  log.warn(
    { from, to: formatLsn(to), reason },
    "gap recorded; start the worker",
  );
  return EXIT_CODE.stopped;
}
