import "./default-hook";

export { Change, type Operation } from "./change";
export { type ContextOptions, changesByContext } from "./changes-by-context";
export {
  bemiContext,
  type Context,
  currentContext,
  mergeContext,
  withContext,
} from "./context";
export { bemiDownSql } from "./down-sql";
export { BemiExtension } from "./extension";
export type { JsonObject, JsonValue } from "./json-text";
export { bemiOnQuery, type OnQuery } from "./on-query";
export { type AsOfOptions, recordAsOf } from "./record-as-of";
export {
  type HistoryOptions,
  type RecordChange,
  recordHistory,
} from "./record-history";
export type { RecordKey } from "./record-key";
export { setContext } from "./set-context";
export type { Snapshot } from "./snapshot";
export { type RecordSnapshot, tableAsOf } from "./table-as-of";
export {
  type Table,
  type TableOptions,
  tableOf,
  type Values,
} from "./tracked-table";
export { type ChangeId, type UndoOptions, undoSql } from "./undo-sql";
export { bemiUpSql } from "./up-sql";
