/**
 * MikroORM's `onQuery`, which puts the context in front of statements that write.
 * In front, because MikroORM writes values into the SQL's text: behind them, a
 * stored value that looks like the comment could be taken for it.
 */
import { currentContext } from "./context";
import { encodeContext } from "./encode-context";
import { hook } from "./missing-hook";
import { writesRows } from "./write-statement";

/** MikroORM's option of the same name. */
export type OnQuery = (sql: string, params: readonly unknown[]) => string;

const OPENING = "/*Bemi ";

/**
 * For `onQuery` of the configuration, where `BemiExtension` cannot be used; what
 * `previous` makes of the SQL is what gets the context.
 */
export function bemiOnQuery(previous?: OnQuery): OnQuery {
  hook().state = "installed";
  return hookBehind(previous);
}

/** As a default, which a configuration with an `onQuery` of its own overrides. */
export function defaultOnQuery(previous?: OnQuery): OnQuery {
  if (hook().state === "missing") hook().state = "default";
  return hookBehind(previous);
}

function hookBehind(previous: OnQuery = (sql) => sql): OnQuery {
  const state = hook();
  return (sql, params) => {
    state.state = "installed";
    return withComment(previous(sql, params));
  };
}

/** What has one already comes from another copy of the hook. */
function withComment(sql: string): string {
  const context = currentContext();
  if (!context || sql.startsWith(OPENING) || !writesRows(sql)) return sql;
  const json = encodeContext(context);
  return json === undefined ? sql : `${OPENING}${json} Bemi*/ ${sql}`;
}
