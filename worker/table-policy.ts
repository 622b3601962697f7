/** What the configuration and the catalogue say about a table of the stream. */
import type { Catalog } from "./catalog";
import { ignoresColumn } from "./ignored-columns";
import { describeError, type Log } from "./log";
import type { IsOwnTable } from "./own-tables";
import type { TablePolicy } from "./relation";
import type { Settings } from "./settings";
import type { Status } from "./status";
import { tracks } from "./tables";
import type { TrailSource } from "./watermark";

export function tablePolicy(parts: {
  readonly settings: Settings;
  readonly source: TrailSource;
  readonly catalog: Pick<Catalog, "primaryKey">;
  readonly own: IsOwnTable;
  readonly status: Status;
  readonly log: Log;
}): TablePolicy {
  const { settings, source, catalog, own, status, log } = parts;
  return {
    database: source.databaseName,
    tracked: (schema, table, oid) =>
      tracks(settings.trackTables, schema, table) && !own(oid, schema, table),
    ignored: (schema, table, column) =>
      ignoresColumn(settings.ignoreColumns, schema, table, column),
    async primaryKey(oid) {
      try {
        return await catalog.primaryKey(oid);
      } catch (error) {
        // A key is worth less than the stream: the row is recorded with the
        // column `id` as key, or without one (H59).
        status.keyLookupFailures++;
        log.warn({ error: describeError(error), oid }, "primary key unknown");
        return undefined;
      }
    },
  };
}
