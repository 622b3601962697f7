/**
 * Whose DDL is recorded. A table that was renamed or moved to another schema is
 * known by its OID; of a partition that is dropped, the catalogue no longer says
 * whose it was.
 */

import { matchesPart } from "../../config/patterns";
import type { Settings } from "../settings/settings";
import { type NamedTable, tracks } from "../settings/tables";
import type { MarkedObject } from "./ddl-mark";
import type { IsOwnTable } from "./own-tables";

export class TrackedDdl {
  readonly #settings: Pick<Settings, "trackTables" | "publicationName">;
  readonly #own: IsOwnTable;
  readonly #oids: Set<number>;

  /** `oids`: the tracked tables of today's catalogue. */
  constructor(
    settings: Pick<Settings, "trackTables" | "publicationName">,
    own: IsOwnTable,
    oids: Iterable<number>,
  ) {
    this.#settings = settings;
    this.#own = own;
    this.#oids = new Set(oids);
  }

  /** A table of which rows were recorded, by the name that it had then. */
  add(oid: number): void {
    this.#oids.add(oid);
  }

  has(object: MarkedObject): boolean {
    const { trackTables, publicationName } = this.#settings;
    const { oid, schema, table, publication, ancestors } = object;
    if (publication !== undefined) return publication === publicationName;
    // A schema that got another name, and its tables with it.
    if (schema === undefined || table === undefined) return true;
    const named = { schema, name: table };
    if (this.#own(oid ?? 0, [named, ...ancestors])) return false;
    if (oid !== undefined && this.#oids.has(oid)) return true;
    if (tracks(trackTables, named, ancestors)) {
      if (oid !== undefined) this.#oids.add(oid);
      return true;
    }
    return object.dropped && mayHaveBeenPartition(trackTables, named);
  }
}

/**
 * Where tables are named one by one, a dropped one beside them may have been a
 * partition of theirs: a mark too many rather than one too few.
 */
function mayHaveBeenPartition(
  { includes, excludes }: Settings["trackTables"],
  { schema, name }: NamedTable,
): boolean {
  return (
    includes.some(
      (part) => !part.table.wildcard && matchesPart(part.schema, schema),
    ) &&
    !excludes.some(
      (part) =>
        matchesPart(part.schema, schema) && matchesPart(part.table, name),
    )
  );
}
