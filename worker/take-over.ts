/**
 * Becoming the only writer of a trail. To be called when the source has granted
 * the slot to this worker alone: only then may it fence off a predecessor.
 */
import type { Client } from "pg";
import { claim, fenced } from "./destination/claim";
import { recordTimeline, type Watermark } from "./destination/watermark";
import type { Log } from "./log";
import { formatLsn } from "./lsn";
import { commonPosition } from "./source/continuity";
import type { SourceServer } from "./source/identify-source";
import type { Status } from "./status";

/**
 * The watermark as nobody else can move it any more, on the timeline of the
 * source as it is now.
 *
 * @throws FencedError when another worker took over meanwhile.
 * @throws OperatorError when the trail has what this source never had.
 */
export async function takeOver(
  sessions: readonly [Client, Client],
  source: SourceServer,
  {
    status,
    log,
  }: { readonly status: Pick<Status, "epoch">; readonly log: Log },
): Promise<Watermark> {
  status.epoch = undefined;
  const watermark = await claim(sessions, source);
  status.epoch = watermark.epoch;
  if (watermark.timeline === source.timeline) return watermark;
  // Once more: the former owner may have stored, from the former primary, what
  // this server never had.
  const position = commonPosition(watermark, source);
  const { timeline } = source;
  const moved = await recordTimeline(sessions[0], watermark, {
    timeline,
    position,
  });
  if (!moved) throw fenced(source.slotName);
  log.warn(
    { from: watermark.timeline, to: timeline, position: formatLsn(position) },
    "the source was promoted; the trail goes on with the new timeline",
  );
  return moved;
}
