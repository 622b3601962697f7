/** Whether a destination can hold the trail, decided from what was read. */
import { escapeIdentifier } from "pg";
import type { Finding } from "../finding";
import type { DestinationFacts } from "./destination-facts";

export function checkDestination(
  facts: DestinationFacts,
  /** The source's own findings say the same of the one server. */
  { destinationIsSource }: { readonly destinationIsSource: boolean },
): Finding[] {
  return [
    ...(destinationIsSource ? [] : checkServer(facts)),
    ...checkSession(facts),
    ...checkTables(facts),
  ];
}

function checkServer(facts: DestinationFacts): Finding[] {
  const { versionNum, inRecovery, encoding } = facts;
  const findings: Finding[] = [];
  const error = (code: string, message: string, remedy: string) =>
    findings.push({ code, severity: "error", message, remedy, exitCode: 2 });
  // Partitions are made LIKE … INCLUDING COMPRESSION, which 14 brought.
  if (versionNum < 140000) {
    error(
      "destination-version-too-old",
      `the destination is PostgreSQL ${Math.floor(versionNum / 10000)}.${versionNum % 10000}; 14 or later is needed`,
      "upgrade it, or point DEST_DB_HOST at another server",
    );
  }
  if (inRecovery) {
    error(
      "destination-standby",
      "the destination is a standby (in recovery) and takes no writes; the primary is needed",
      "point DEST_DB_HOST at the primary (Aurora: the cluster's writer endpoint, not a reader)",
    );
  }
  // The first character that it does not have would stop the trail for good.
  if (encoding !== "UTF8") {
    error(
      "destination-encoding",
      `the destination's encoding is ${encoding}; UTF8 is needed, since it has to hold every character of the source`,
      "create a database with ENCODING 'UTF8' TEMPLATE template0, and set DEST_DB_NAME to it",
    );
  }
  return findings;
}

/**
 * A pooler that drops start-up options shares its sessions, too: the settings
 * of one transaction, and the session by which a frozen predecessor is ended,
 * would be another client's.
 */
function checkSession({ idleTimeout }: DestinationFacts): Finding[] {
  if (idleTimeout === "1min") return [];
  return [
    {
      code: "destination-pooler",
      severity: "error",
      message:
        "the destination does not take the session's options; a pooler or proxy (PgBouncer, RDS Proxy) seems to be in front",
      remedy:
        "set DEST_DB_HOST and DEST_DB_PORT (or DB_HOST and DB_PORT where they are one) to the database server itself",
      exitCode: 2,
    },
  ];
}

function checkTables(facts: DestinationFacts): Finding[] {
  const { tables, foreignOwned, mayCreate } = facts;
  const role = escapeIdentifier(facts.role);
  const findings: Finding[] = [];
  const error = (code: string, message: string, remedy: string) =>
    findings.push({ code, severity: "error", message, remedy });
  if (!mayCreate) {
    error(
      "destination-privilege",
      `role ${role} may not create tables in the schema public of the destination`,
      `as the owner of the database: GRANT USAGE, CREATE ON SCHEMA public TO ${role};`,
    );
  }
  if (tables.includes("changes") && !tables.includes("_bemi_migrations")) {
    error(
      "destination-foreign-table",
      "the destination has a table public.changes that this worker did not make",
      "rename it (ALTER TABLE public.changes RENAME TO changes_before), or set DEST_DB_NAME to another database, then start the worker again",
    );
  } else if (foreignOwned.length > 0) {
    // Only the owner may attach next month's partition.
    error(
      "destination-owner",
      `role ${role} does not own ${foreignOwned.map((name) => `public.${name}`).join(", ")} at the destination`,
      `as a superuser, ${foreignOwned.map((name) => `ALTER TABLE public.${escapeIdentifier(name)} OWNER TO ${role};`).join(" ")} or set DEST_DB_USER to the role that made them`,
    );
  }
  return findings;
}
