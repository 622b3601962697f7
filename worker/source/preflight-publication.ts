/** Checks of the publication: an existing one is never altered, only judged. */
import { escapeIdentifier } from "pg";
import type { Finding } from "../finding";
import { covers, onlyTables, quotedName } from "./publication";
import type { PublicationFacts } from "./publication-facts";
import type { SetUpOptions } from "./set-up-steps";
import type { SourceFacts } from "./source-facts";
import { isTracked, type SourceTable, tableName } from "./tracked-tables";

export function checkPublication(
  { publication }: SourceFacts,
  tables: readonly SourceTable[],
  expectations: SetUpOptions & { readonly willSetUp?: boolean | undefined },
): Finding[] {
  const { publicationName, willSetUp } = expectations;
  if (publication) {
    return [
      ...checkContent(publication, publicationName),
      ...checkCoverage(publication, tables, expectations),
    ];
  }
  if (willSetUp) return [];
  return [
    {
      code: "publication-missing",
      severity: "error",
      message: `publication ${JSON.stringify(publicationName)} does not exist`,
      remedy:
        "on a first run let the worker make it (SETUP=auto, or the subcommand setup); a slot that is older than its publication cannot be read: docs/operations.md",
    },
  ];
}

function checkContent(
  publication: PublicationFacts,
  publicationName: string,
): Finding[] {
  const findings: Finding[] = [];
  const name = `publication ${JSON.stringify(publicationName)}`;
  const alter = `ALTER PUBLICATION ${escapeIdentifier(publicationName)}`;
  const error = (code: string, message: string, remedy: string) =>
    findings.push({ code, severity: "error", message, remedy });
  const lacking = (["insert", "update", "delete", "truncate"] as const).filter(
    (operation) => !publication[operation],
  );
  if (lacking.length > 0) {
    error(
      "publication-operations",
      `${name} does not publish ${lacking.join(", ")}; all four operations are needed`,
      `${alter} SET (publish = 'insert, update, delete, truncate');`,
    );
  }
  if (publication.rowFiltered.length > 0) {
    error(
      "publication-row-filter",
      `${name} has a row filter on ${publication.rowFiltered.join(", ")}; none is allowed, since an UPDATE across the filter arrives as an INSERT or DELETE that never happened`,
      `${alter} DROP TABLE and ADD TABLE each without WHERE; leave tables out with TRACK_TABLES`,
    );
  }
  if (publication.columnListed.length > 0) {
    error(
      "publication-column-list",
      `${name} has a column list on ${publication.columnListed.join(", ")}; none is allowed, since with a full replica identity the application's UPDATE fails`,
      `${alter} DROP TABLE and ADD TABLE each without a column list`,
    );
  }
  if (publication.viaRoot) {
    error(
      "publication-via-root",
      `${name} has publish_via_partition_root on; off is needed, since old rows of partitions arrive with false NULLs`,
      `${alter} SET (publish_via_partition_root = false);`,
    );
  }
  return findings;
}

function checkCoverage(
  publication: PublicationFacts,
  tables: readonly SourceTable[],
  expectations: SetUpOptions,
): Finding[] {
  const uncovered = tables.filter(
    (table) =>
      !table.unlogged &&
      isTracked(table, expectations) &&
      !covers(publication, table),
  );
  // A partitioned parent brings its partitions along.
  const roots = uncovered.filter(
    (table) =>
      !table.ancestors.some((parent) =>
        uncovered.some((other) => other.oid === parent.oid),
      ),
  );
  if (roots.length === 0) return [];
  const publicationName = escapeIdentifier(expectations.publicationName);
  return [
    {
      code: "publication-coverage",
      severity: "error",
      message: `publication ${JSON.stringify(expectations.publicationName)} does not cover ${roots.map(tableName).join(", ")}, which TRACK_TABLES asks for`,
      remedy: [
        ...uncovered
          .filter(
            (table) =>
              !table.partitioned &&
              !table.hasVirtualGenerated &&
              table.identity !== "full",
          )
          .map(
            (table) =>
              `ALTER TABLE ${quotedName(table)} REPLICA IDENTITY FULL;`,
          ),
        `ALTER PUBLICATION ${publicationName} ADD TABLE ${onlyTables(roots)};`,
      ].join("\n"),
    },
  ];
}
