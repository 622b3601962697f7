/** Installs the hook, by MikroORM's own way of extending itself. */
import {
  type Discovery,
  declareTriggers,
  type Storage,
} from "./declared-trigger";
import { keepTables, type SchemaGenerator } from "./kept-tables";
import { bemiOnQuery, type OnQuery } from "./on-query";

/** What is used of MikroORM, of 6 as of 7. */
interface Orm {
  /** Undefined on 7, which discovers entities after it registers extensions. */
  getMetadata(): Storage | undefined;
  readonly config: {
    get(key: "onQuery"): OnQuery | undefined;
    get(key: "discovery"): Discovery | undefined;
    get(key: "schemaGenerator"): SchemaGenerator | undefined;
    set(key: "onQuery", value: OnQuery): void;
    set(key: "discovery", value: Discovery): void;
    set(key: "schemaGenerator", value: SchemaGenerator): void;
  };
}

/**
 * For `extensions` of the configuration: statements that write carry the current
 * context, on top of an `onQuery` that the configuration has already, and
 * MikroORM's schema tools know the trigger, and leave the worker's tables alone.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: what MikroORM takes for an extension
export class BemiExtension {
  static register(orm: Orm): void {
    const { config } = orm;
    config.set("onQuery", bemiOnQuery(config.get("onQuery")));
    const discovery = declareTriggers(config.get("discovery") ?? {});
    config.set("discovery", {
      ...discovery,
      afterDiscovered: (storage, ...rest) => {
        keepTables(storage, config);
        return discovery.afterDiscovered?.(storage, ...rest);
      },
    });
    const discovered = orm.getMetadata();
    if (discovered) keepTables(discovered, config);
  }
}
