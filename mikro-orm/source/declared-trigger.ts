/**
 * MikroORM from 7.1 on compares triggers: `migration:create` and `schema:update`
 * would drop those of the migration from every table. So each entity declares
 * its own. Before 7.1, entities have no list of triggers and nothing is done.
 */
import { STATEMENT_TRIGGER } from "./up-sql";

/** MikroORM's option of the same name, as far as it is used here. */
export interface Discovery {
  readonly afterDiscovered?: AfterDiscovered;
}

type AfterDiscovered = (storage: Storage, ...rest: never[]) => unknown;

/** MikroORM's metadata. */
export interface Storage {
  getAll(): object;
}

interface Entity {
  readonly tableName?: string;
  readonly schema?: string;
  readonly abstract?: boolean;
  readonly embeddable?: boolean;
  readonly virtual?: boolean;
  readonly view?: unknown;
  /** Of an inheritance; of its first class the class itself. */
  readonly root?: { readonly tableName?: string };
  readonly triggers?: { name: string }[];
}

/** `discovery` with the declaration behind what it does already. */
export function declareTriggers(discovery: Discovery): Discovery {
  const { afterDiscovered } = discovery;
  return {
    ...discovery,
    afterDiscovered: (storage, ...rest) => {
      const result = afterDiscovered?.(storage, ...rest);
      for (const entity of entitiesOf(storage)) declareTrigger(entity);
      return result;
    },
  };
}

/** A Map on 7, an object on 6. */
export function entitiesOf(storage: Storage): Entity[] {
  const all = storage.getAll();
  return all instanceof Map ? [...all.values()] : Object.values(all);
}

function declareTrigger(entity: Entity): void {
  const { triggers } = entity;
  if (!Array.isArray(triggers) || !hasTable(entity)) return;
  if (triggers.some(({ name }) => name === STATEMENT_TRIGGER)) return;
  const trigger = {
    name: STATEMENT_TRIGGER,
    timing: "before",
    events: ["insert", "update", "delete"],
    forEach: "statement",
    // A test's database made by schema.create() has no function to call.
    expression: `do $bemi$ begin if to_regprocedure('_bemi.add_trigger(oid)') is not null then perform _bemi.add_trigger(c.oid) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${tableOf(entity)}; end if; end $bemi$`,
  };
  triggers.push(trigger);
}

function hasTable(entity: Entity): boolean {
  const { tableName, abstract, embeddable, virtual, view, root } = entity;
  if (!tableName || abstract || embeddable || virtual || view) return false;
  if (root === undefined || root === entity) return true;
  // All are in the first one's table, or each has its own: "tpt" of MikroORM 7.
  return root.tableName !== tableName;
}

/**
 * In whatever schema where the entity does not say it: MikroORM makes the table
 * in the one that `schema.update` is given, such as a tenant's, and gives the
 * expression no hint.
 */
function tableOf({ schema, tableName = "" }: Entity): string {
  const table = `c.relname = ${quoted(tableName)}`;
  return schema && schema !== "*"
    ? `${table} and n.nspname = ${quoted(schema)}`
    : table;
}

function quoted(name: string): string {
  return `'${name.replaceAll("'", "''")}'`;
}
