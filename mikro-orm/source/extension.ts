/** Installs the hook, by MikroORM's own way of extending itself. */
import { type Discovery, declareTriggers } from "./declared-trigger";
import { bemiOnQuery, type OnQuery } from "./on-query";

/** What is used of MikroORM, of 6 as of 7. */
interface Orm {
  readonly config: {
    get(key: "onQuery"): OnQuery | undefined;
    get(key: "discovery"): Discovery | undefined;
    set(key: "onQuery", value: OnQuery): void;
    set(key: "discovery", value: Discovery): void;
  };
}

/**
 * For `extensions` of the configuration: statements that write carry the current
 * context, on top of an `onQuery` that the configuration has already, and
 * MikroORM's schema tools know the trigger.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: what MikroORM takes for an extension
export class BemiExtension {
  static register({ config }: Orm): void {
    config.set("onQuery", bemiOnQuery(config.get("onQuery")));
    config.set("discovery", declareTriggers(config.get("discovery") ?? {}));
  }
}
