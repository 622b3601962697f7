/** How much log the source may hold for a worker that is down. */
import type { Environment } from "./environment";

/** MiB; 50 GiB are days of log of most databases. */
const MOST_MIB = 51_200;

/**
 * `max_slot_wal_keep_size` in MiB. By default a quarter of the storage: a slot
 * that is given up costs the trail a gap, a full disk stops the database.
 */
export function slotLimitMib({ source }: Environment): number {
  const { rds, maxSlotWalKeepSizeMib } = source;
  if (maxSlotWalKeepSizeMib !== undefined) return maxSlotWalKeepSizeMib;
  if (rds?.kind !== "instance") return MOST_MIB;
  return Math.min(rds.allocatedStorageGib * (1024 / 4), MOST_MIB);
}
