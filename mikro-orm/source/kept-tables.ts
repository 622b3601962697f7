/**
 * The worker's tables are no entity's, and MikroORM's schema tools drop such
 * tables where they are in the application's own database: `migration:create`
 * would write `drop table "changes"`.
 */
import { entitiesOf, type Storage } from "./declared-trigger";

/** MikroORM's option `schemaGenerator`, as far as it is used here. */
export interface SchemaGenerator {
  skipTables?: readonly (string | RegExp)[];
}

interface Config {
  get(key: "schemaGenerator"): SchemaGenerator | undefined;
  set(key: "schemaGenerator", value: SchemaGenerator): void;
}

const KEPT = [
  /^changes(_\d{4,}_\d\d)?$/,
  /^_bemi_(watermarks|gaps|migrations|schema_changes)$/,
];

/** Adds them to what `config` leaves alone. */
export function keepTables(storage: Storage, config: Config): void {
  // An application can have a table of its own with such a name.
  const own = entitiesOf(storage)
    .filter(({ virtual }) => !virtual)
    .map(({ tableName = "" }) => tableName);
  const kept = KEPT.filter((name) => !own.some((table) => name.test(table)));
  const options = config.get("schemaGenerator") ?? {};
  // The same object: a generator that is there already has it.
  options.skipTables = [...(options.skipTables ?? []), ...kept];
  config.set("schemaGenerator", options);
}
