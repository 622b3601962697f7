/**
 * Whether the source goes on where the destination stopped. A slot that was
 * lost, made anew, moved, or that belongs to another server would stream
 * without an error and with a hole, so each is found before the first row,
 * and only an operator decides to go on.
 */

import type { TrailSource, Watermark } from "../destination/watermark";
import { OperatorError } from "../errors";
import { formatLsn, type Lsn, parseLsn } from "../lsn";
import type { SourceServer } from "./identify-source";

export interface SlotPosition {
  /** Null for a slot whose WAL was removed. */
  readonly confirmedFlushLsn: string | null;
  readonly restartLsn: string | null;
}

const GAP_REMEDY =
  "run the worker's command `gap` to record what is missing and go on (docs/operations.md, “Gaps”)";

const DIVERGENT_REMEDY =
  "point DB_HOST at a server that has all of the trail's changes; where there is none any more, the command `adopt` goes on with this one and records what it does not have (docs/operations.md, “Divergent”)";

/** @throws OperatorError when changes would be missing or of another history. */
export function checkContinuity(
  watermark: Watermark,
  server: SourceServer,
  slot: SlotPosition | undefined,
): void {
  const position = commonPosition(watermark, server);
  const name = `slot "${server.slotName}"`;
  if (!slot) {
    throw new OperatorError(
      `${name} is gone, and with it the changes since ${formatLsn(position)}`,
      GAP_REMEDY,
    );
  }
  if (!slot.confirmedFlushLsn || !slot.restartLsn) {
    throw new OperatorError(
      `${name} was lost: the server removed the log it needs, and changes since ${formatLsn(position)} cannot be read`,
      GAP_REMEDY,
    );
  }
  const confirmed = parseLsn(slot.confirmedFlushLsn);
  if (confirmed > position) {
    throw new OperatorError(
      `gap: ${name} stands at ${slot.confirmedFlushLsn}, the destination has everything only up to ${formatLsn(position)}; the slot was moved, consumed or made anew by somebody else`,
      GAP_REMEDY,
    );
  }
}

/**
 * Up to where this server's log is the one that the trail was made from: the
 * trail's position, or the end of its timeline at a server that was promoted
 * since, when nothing that the trail has was committed after that.
 *
 * @throws OperatorError when the trail has what this server never had, or
 * is another server's.
 */
export function commonPosition(
  watermark: Watermark,
  server: SourceServer,
): Lsn {
  checkSameSource(watermark, server);
  const { timeline, commitLsn, position } = watermark;
  if (server.timeline < timeline) {
    throw new OperatorError(
      `divergent: the trail was made on timeline ${timeline}, this server is still on ${server.timeline}: it is the former primary of before a failover, or a copy of it`,
      DIVERGENT_REMEDY,
    );
  }
  if (server.timeline === timeline) {
    if (server.flushLsn >= position) return position;
    throw new OperatorError(
      `divergent: the trail reaches to ${formatLsn(position)}, this server's log ends at ${formatLsn(server.flushLsn)}: a backup or snapshot of an earlier time was restored`,
      DIVERGENT_REMEDY,
    );
  }
  const end = server.switches.find((one) => one.timeline === timeline)?.endLsn;
  if (end === undefined) {
    throw new OperatorError(
      `divergent: the trail was made on timeline ${timeline}, which is no part of the history of this server's timeline ${server.timeline}`,
      DIVERGENT_REMEDY,
    );
  }
  if (commitLsn >= end) {
    throw new OperatorError(
      `divergent: the trail has a commit at ${formatLsn(commitLsn)}, this server left timeline ${timeline} at ${formatLsn(end)}: it is a backup restored to an earlier point in time, or a standby that was promoted before it had everything`,
      DIVERGENT_REMEDY,
    );
  }
  // What lies behind the last stored commit the source was told of, but it held
  // nothing for the trail: a standby promoted without it has lost nothing of it.
  const isBefore = end < position;
  return isBefore ? end : position;
}

/** @throws OperatorError when the trail was made from another server. */
export function checkSameSource(
  watermark: Watermark,
  source: TrailSource,
): void {
  if (
    watermark.systemIdentifier !== source.systemIdentifier ||
    watermark.databaseOid !== source.databaseOid
  ) {
    throw new OperatorError(
      `different source: the trail of slot "${source.slotName}" in database "${source.databaseName}" was made from system ${watermark.systemIdentifier} (database ${watermark.databaseOid}), DB_HOST is now system ${source.systemIdentifier} (database ${source.databaseOid})`,
      "point DB_HOST at the former server; to go on with the new one (after an upgrade or a restore) see the commands `drain` and `adopt` in docs/operations.md, “Another server”",
    );
  }
}
