/**
 * MikroORM's `onQuery`, which puts the context in front of statements that write.
 * In front, because MikroORM writes values into the SQL's text: behind them, a
 * stored value that looks like the comment could be taken for it.
 */
import { currentContext } from "./context";
import { encodeContext } from "./encode-context";
import { shared, warnOnce } from "./process-state";
import { writesRows } from "./write-statement";

/** MikroORM's option of the same name. */
export type OnQuery = (sql: string, params: readonly unknown[]) => string;

const OURS = Symbol.for("@bemi-db/mikro-orm/on-query");
const OPENING = "/*Bemi ";

/**
 * For `onQuery` of the configuration, where `BemiExtension` cannot be used; what
 * `previous` makes of the SQL is what gets the context.
 */
export function bemiOnQuery(previous?: OnQuery): OnQuery {
  hook().installed = true;
  if (previous && isOurs(previous)) return previous;
  const onQuery: OnQuery = (sql, params) =>
    withComment(previous ? previous(sql, params) : sql);
  return Object.assign(onQuery, { [OURS]: true });
}

function isOurs(onQuery: OnQuery): boolean {
  return OURS in onQuery;
}

function withComment(sql: string): string {
  const context = currentContext();
  if (!context || sql.startsWith(OPENING) || !writesRows(sql)) return sql;
  const json = encodeContext(context);
  return json === undefined ? sql : `${OPENING}${json} Bemi*/ ${sql}`;
}

/** Says once that contexts are given and none can arrive. */
export function warnWithoutHook(): void {
  if (hook().installed) return;
  warnOnce(
    "BEMI_NO_HOOK",
    'No MikroORM configuration has the Bemi extension, so changes are recorded without context. Add to mikro-orm.config: extensions: [BemiExtension], with BemiExtension imported from "@bemi-db/mikro-orm".',
  );
}

function hook(): { installed: boolean } {
  return shared("hook", () => ({ installed: false }));
}
