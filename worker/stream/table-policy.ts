/** What the configuration and the catalogue say about a table of the stream. */

import type { TrailSource } from "../destination/watermark";
import { describeError, type Log } from "../log";
import { ignoresColumn } from "../settings/ignored-columns";
import type { Settings } from "../settings/settings";
import { tracks } from "../settings/tables";
import type { Catalog, CatalogTable } from "../source/catalog";
import { answerOf } from "../sql-state";
import type { Status } from "../status";
import type { IsOwnTable } from "./own-tables";
import type { RelationMessage } from "./pgoutput";
import type { TablePolicy } from "./relation";
import { TrackedDdl } from "./tracked-ddl";

export function tablePolicy(parts: {
  readonly settings: Settings;
  readonly source: TrailSource;
  readonly catalog: Pick<Catalog, "table">;
  readonly own: IsOwnTable;
  /** OIDs of the tracked tables of today's catalogue. */
  readonly trackedOids: readonly number[];
  readonly status: Status;
  readonly log: Log;
}): TablePolicy {
  const { settings, source, own, trackedOids } = parts;
  const { trackTables, ignoreColumns } = settings;
  const ddl = new TrackedDdl(settings, own, trackedOids);
  return {
    database: source.databaseName,
    async describe(message, transactionId) {
      const table = { schema: message.schema, name: message.table };
      const known = await lookUp(
        message,
        transactionId,
        parts,
        tracks(trackTables, table),
      );
      const ancestors = known?.ancestors ?? [];
      const tracked =
        !own(message.oid, [table, ...ancestors]) &&
        (tracks(trackTables, table, ancestors) ||
          // A partition that is gone by now, of a table that was named: the
          // publication would not have sent anything else.
          (known === undefined && namesTablesOnly(trackTables)));
      if (tracked) ddl.add(message.oid);
      return {
        tracked,
        primaryKey: known?.primaryKey,
        partitioned: known?.partitioned === true,
        ignores: (column) =>
          [table, ...ancestors].some(({ schema, name }) =>
            ignoresColumn(ignoreColumns, schema, name, column),
          ),
      };
    },
    tracksDdlOf: (object) => ddl.has(object),
  };
}

function namesTablesOnly({ includes }: Settings["trackTables"]): boolean {
  return includes.every(
    ({ schema, table }) => !schema.wildcard && !table.wildcard,
  );
}

/**
 * The table in today's catalogue; undefined when it is gone. A look-up that the
 * server refuses, as it would the next one, costs a tracked table no more than
 * its key: the row is recorded with the column `id` as key, or without one.
 * When no server answers, which passes, the session is tried again; so
 * it is for another table, since whether that is a tracked one's partition
 * cannot be guessed.
 */
async function lookUp(
  { oid }: RelationMessage,
  transactionId: number | undefined,
  {
    catalog,
    status,
    log,
  }: Pick<Parameters<typeof tablePolicy>[0], "catalog" | "status" | "log">,
  isTracked: boolean,
): Promise<CatalogTable | undefined> {
  try {
    return await catalog.table(oid, transactionId);
  } catch (error) {
    if (!isTracked || answerOf(error) === undefined) throw error;
    status.keyLookupFailures++;
    log.warn({ error: describeError(error), oid }, "primary key unknown");
    return undefined;
  }
}
