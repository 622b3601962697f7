/** Checks of the replication slot: that it is there, ours, and alive. */
import type { Finding } from "../finding";
import type { SlotFacts, SourceFacts } from "./source-facts";

export interface SlotExpectations {
  readonly slotName: string;
  readonly willSetUp?: boolean | undefined;
}

export function checkSlot(
  facts: SourceFacts,
  { slotName, willSetUp }: SlotExpectations,
): Finding[] {
  const { slot } = facts;
  const name = `slot ${JSON.stringify(slotName)}`;
  if (slot) {
    const wrong = checkKind(slot, facts.database.name, name);
    if (wrong.length > 0) return wrong;
    return [...checkAlive(slot, name), ...checkFailover(slot, slotName)];
  }
  if (willSetUp) return [];
  return [
    {
      code: "slot-missing",
      severity: "error",
      message: `${name} does not exist`,
      remedy:
        "on a first run let the worker make it (SETUP=auto, or the subcommand setup); if it existed before, changes since its end are lost: docs/operations.md, lost slot",
    },
  ];
}

/** Slot names are one name space for all databases of a server. */
function checkKind(slot: SlotFacts, database: string, name: string): Finding[] {
  const wrong = (code: string, got: string, needed: string): Finding => ({
    code,
    severity: "error",
    message: `${name} ${got}; ${needed} is needed`,
    remedy: `choose another SLOT_NAME, or, if nothing uses the slot any more, drop it: SELECT pg_drop_replication_slot(…)`,
    exitCode: 2,
  });
  if (slot.type !== "logical") {
    return [wrong("slot-physical", `is ${slot.type}`, "a logical one")];
  }
  const findings: Finding[] = [];
  if (slot.database !== database) {
    findings.push(
      wrong(
        "slot-of-another-database",
        `belongs to database ${JSON.stringify(slot.database)}`,
        `one of database ${JSON.stringify(database)} (each database of a server needs a slot name of its own)`,
      ),
    );
  }
  if (slot.plugin !== "pgoutput") {
    findings.push(
      wrong("slot-plugin", `uses plugin ${slot.plugin}`, "pgoutput"),
    );
  }
  if (slot.twoPhase) {
    findings.push(
      wrong("slot-two-phase", "has two_phase on", "one without it"),
    );
  }
  if (slot.temporary) {
    findings.push(
      wrong("slot-temporary", "is temporary", "one that outlives its session"),
    );
  }
  return findings;
}

function checkAlive(slot: SlotFacts, name: string): Finding[] {
  if (slot.walStatus !== "lost" && slot.invalidationReason === null) return [];
  const reason = slot.invalidationReason ?? "its WAL was removed";
  return [
    {
      code: "slot-lost",
      severity: "error",
      message: `${name} is lost (wal_status = ${slot.walStatus}, reason: ${reason}); the changes since ${slot.confirmedFlushLsn ?? "its last position"} cannot be read any more`,
      remedy:
        "run the worker's subcommand gap, which records what is missing and makes the slot anew, and raise max_slot_wal_keep_size: docs/operations.md, lost slot",
    },
  ];
}

/** A slot from before the upgrade to 17, or made by hand. */
function checkFailover(slot: SlotFacts, slotName: string): Finding[] {
  if (slot.failover !== false) return [];
  return [
    {
      code: "slot-without-failover",
      severity: "warning",
      message: `slot ${JSON.stringify(slotName)} is not copied to standbys; after a failover to one the slot is gone, and changes may be missing`,
      remedy: `while the worker is stopped, over a replication connection: psql "dbname=${slot.database} replication=database" -c 'ALTER_REPLICATION_SLOT ${slotName} (FAILOVER true)'; what a standby needs: docs/operations.md, failover`,
    },
  ];
}
