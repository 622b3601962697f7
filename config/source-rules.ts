/** Of the source database's limits. */
import type { Environment } from "./environment";
import type { Problem } from "./problem";

export function checkSource({ source, worker }: Environment): Problem[] {
  const { rds, maxSlotWalKeepSizeMib: kept, maxReplicationSlots } = source;
  const problems: Problem[] = [];
  if (kept !== undefined && !rds) {
    problems.push({
      path: "source.maxSlotWalKeepSizeMib",
      message:
        "has no effect without source.rds: set max_slot_wal_keep_size at the database, and remove it here",
    });
  }
  // A database whose storage is full stops taking writes.
  const limit =
    rds?.kind === "instance" ? (rds.allocatedStorageGib * 1024) / 2 : kept;
  if (kept !== undefined && limit !== undefined && kept > limit) {
    problems.push({
      path: "source.maxSlotWalKeepSizeMib",
      message: `got ${kept}: at most ${limit}, half of source.rds.allocatedStorageGib, so that a worker that is down does not fill the database's storage`,
    });
  }
  const shards = worker?.shards.length ?? 0;
  if (maxReplicationSlots < shards + 10) {
    problems.push({
      path: "source.maxReplicationSlots",
      message: `got ${maxReplicationSlots}: at least ${shards + 10} with ${shards} shards, to leave ten for read replicas and others`,
    });
  }
  return problems;
}
