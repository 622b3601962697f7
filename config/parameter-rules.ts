/** Of the source's own parameters: that none contradicts another field. */
import type { Environment } from "./environment";
import type { Problem } from "./problem";
import { slotLimitMib } from "./slot-limit";

export function checkParameters(environment: Environment): Problem[] {
  const { rds } = environment.source;
  return Object.entries(rds?.parameters ?? {}).flatMap(([name, value]) =>
    [
      checkConflict(environment, name, value),
      checkVersion(name, rds?.majorVersion),
    ].flatMap((message) =>
      message ? [{ path: `source.rds.parameters.${name}`, message }] : [],
    ),
  );
}

/** Parameters that follow from other fields of the file, or from what it is for. */
function checkConflict(
  environment: Environment,
  name: string,
  value: string,
): string | undefined {
  const { maxReplicationSlots } = environment.source;
  const slots = ["source.maxReplicationSlots", maxReplicationSlots] as const;
  const fields = new Map<string, readonly [string, number]>([
    ["max_replication_slots", slots],
    ["max_wal_senders", slots],
    [
      "max_slot_wal_keep_size",
      ["source.maxSlotWalKeepSizeMib", slotLimitMib(environment)],
    ],
  ]);
  const [field, given] = fields.get(name) ?? [];
  if (field && value !== String(given)) {
    return `got ${value}, but ${field} makes it ${given}: change that field, and remove this`;
  }
  if (name === "rds.logical_replication" && value !== "1") {
    return `got ${value}: the worker reads the log by logical replication, so remove it`;
  }
  return undefined;
}

/** What PostgreSQL has had since a version; a group of an older family refuses it. */
const SINCE: ReadonlyMap<string, number> = new Map([
  ["rds.logical_slot_sync_dbname", 17],
  ["sync_replication_slots", 17],
  ["synchronized_standby_slots", 17],
]);

function checkVersion(name: string, version = 0): string | undefined {
  const since = SINCE.get(name);
  if (since === undefined || version >= since) return undefined;
  return `begins with PostgreSQL ${since}, and source.rds.majorVersion is ${version}: remove it`;
}
