/**
 * Whether the source goes on where the destination stopped. A slot that was
 * lost, made anew, moved, or that belongs to another server would stream
 * without an error and with a hole, so each is found before the first row (H11,
 * H12, H35), and only an operator decides to go on.
 */

import type { TrailSource, Watermark } from "../destination/watermark";
import { OperatorError } from "../errors";
import { formatLsn, parseLsn } from "../lsn";

export interface SlotPosition {
  /** Null for a slot whose WAL was removed. */
  readonly confirmedFlushLsn: string | null;
  readonly restartLsn: string | null;
}

const GAP_REMEDY =
  "run the worker's command `gap` to record what is missing and go on (docs/operations.md, “Gaps”)";

/** @throws OperatorError when changes would be missing or of another history. */
export function checkContinuity(
  watermark: Watermark,
  source: TrailSource,
  slot: SlotPosition | undefined,
): void {
  checkSameSource(watermark, source);
  const name = `slot "${source.slotName}"`;
  if (!slot) {
    throw new OperatorError(
      `${name} is gone, and with it the changes since ${formatLsn(watermark.position)}`,
      GAP_REMEDY,
    );
  }
  if (!slot.confirmedFlushLsn || !slot.restartLsn) {
    throw new OperatorError(
      `${name} was lost: the server removed the log it needs, and changes since ${formatLsn(watermark.position)} cannot be read`,
      GAP_REMEDY,
    );
  }
  const confirmed = parseLsn(slot.confirmedFlushLsn);
  if (confirmed > watermark.position) {
    throw new OperatorError(
      `gap: ${name} stands at ${slot.confirmedFlushLsn}, the destination has everything only up to ${formatLsn(watermark.position)}; the slot was moved, consumed or made anew by somebody else`,
      GAP_REMEDY,
    );
  }
}

/** @throws OperatorError when the trail was made from another server (H12). */
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
      "point DB_HOST at the former server, or give the new one a SLOT_NAME of its own; for a restored or upgraded copy see docs/operations.md, “Another server”",
    );
  }
}
