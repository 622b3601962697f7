/** Checks of the server itself, before anything is made on it. */
import type { Finding } from "../finding";
import type { SourceFacts } from "./source-facts";

const dayS = 24 * 60 * 60;

export function checkServer(facts: SourceFacts): Finding[] {
  return [
    ...checkVersion(facts),
    ...checkWalLevel(facts),
    ...checkKind(facts),
    ...checkIdleTimeout(facts),
    ...checkPrepared(facts),
  ];
}

function checkVersion({ versionNum }: SourceFacts): Finding[] {
  const major = Math.floor(versionNum / 10000);
  const version = `${major}.${versionNum % 10000}`;
  if (versionNum < 140000) {
    return [
      {
        code: "version-too-old",
        severity: "error",
        message: `the source is PostgreSQL ${version}; 14 or later is needed`,
        remedy: "upgrade the server",
        exitCode: 2,
      },
    ];
  }
  // Fixed in these minors, which brought another error; both gone after.
  const flawed = FLAWED_MINORS.get(major);
  if (flawed === undefined || versionNum % 10000 > flawed) return [];
  const flaw =
    versionNum % 10000 === flawed
      ? 'can fail with "invalid memory alloc request size" under many DDL statements'
      : "loses rows of transactions that are open while a publication is altered";
  return [
    {
      code: "version-with-known-flaw",
      severity: "warning",
      message: `PostgreSQL ${version} ${flaw}; ${major}.${flawed + 1} or later is needed`,
      remedy: `upgrade to ${major}.${flawed + 1} or later; until then alter no publication`,
    },
  ];
}

const FLAWED_MINORS: ReadonlyMap<number, number> = new Map([
  [14, 18],
  [15, 13],
  [16, 9],
  [17, 5],
]);

function checkWalLevel({ walLevel, onRds }: SourceFacts): Finding[] {
  if (walLevel === "logical") return [];
  const self = "ALTER SYSTEM SET wal_level = logical; and restart the server";
  const rds =
    "set rds.logical_replication = 1 in the instance's (Aurora: the cluster's) parameter group and reboot";
  return [
    {
      code: "wal-level",
      severity: "error",
      message: `wal_level is ${walLevel}; logical is needed`,
      remedy: onRds ? rds : `${self} (on Amazon RDS and Aurora: ${rds})`,
    },
  ];
}

function checkKind({ inRecovery, encoding }: SourceFacts): Finding[] {
  const findings: Finding[] = [];
  if (inRecovery) {
    findings.push({
      code: "standby",
      severity: "error",
      message: "the source is a standby (in recovery); the primary is needed",
      remedy:
        "point DB_HOST at the primary (Aurora: the cluster's writer endpoint, not a reader); after a failover, wait until it is promoted",
      exitCode: 2,
    });
  }
  if (encoding === "SQL_ASCII") {
    findings.push({
      code: "encoding",
      severity: "error",
      message:
        "the database's encoding is SQL_ASCII; one that says what its bytes mean is needed, such as UTF8: the first byte that is not UTF-8 would end the stream for good",
      remedy: "dump the database and restore it into one with ENCODING 'UTF8'",
    });
  }
  return findings;
}

function checkIdleTimeout({ idleSlotTimeoutSeconds }: SourceFacts): Finding[] {
  if (idleSlotTimeoutSeconds === undefined || idleSlotTimeoutSeconds >= dayS) {
    return [];
  }
  return [
    {
      code: "idle-slot-timeout",
      severity: "warning",
      message: `idle_replication_slot_timeout is ${idleSlotTimeoutSeconds} s; 0 or at least 24 h is needed, or a worker that is down for that long loses its slot and the changes since`,
      remedy:
        "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf(); (Amazon RDS and Aurora: in the parameter group)",
    },
  ];
}

function checkPrepared({ oldPrepared }: SourceFacts): Finding[] {
  const [oldest] = oldPrepared;
  if (!oldest) return [];
  return [
    {
      code: "old-prepared-transactions",
      severity: "warning",
      message: `${oldPrepared.length} prepared transactions are older than 1 h, the oldest (${JSON.stringify(oldest.gid)} in database ${JSON.stringify(oldest.database)}) ${Math.floor(oldest.ageSeconds / 3600)} h; they hold back WAL and block the making of a slot`,
      remedy:
        "finish each in its own database with COMMIT PREPARED or ROLLBACK PREPARED (SELECT * FROM pg_prepared_xacts)",
    },
  ];
}
