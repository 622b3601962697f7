import "./default-hook";

export {
  bemiContext,
  type Context,
  currentContext,
  mergeContext,
  withContext,
} from "./context";
export { bemiDownSql } from "./down-sql";
export { BemiExtension } from "./extension";
export { bemiOnQuery, type OnQuery } from "./on-query";
export { setContext } from "./set-context";
export { bemiUpSql } from "./up-sql";
