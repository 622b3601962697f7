/** What was done in a context: by a user, a request, a job. */
import type { Change } from "./change";
import {
  all,
  type Bounds,
  type ChangeRow,
  changeOf,
  ofTable,
  readChanges,
  sql,
  within,
} from "./change-rows";
import type { JsonObject } from "./json-text";
import { asTable, type ChangesDatabase, type TableName } from "./tracked-table";

export interface ContextOptions extends Bounds {
  /** Only changes of this table. */
  readonly table?: TableName;
}

const PAGE = 1_000;

/**
 * All changes whose context contains `part`, such as `{ requestId }`, in commit
 * order, read 1,000 at a time. The index on `context` finds them in all
 * partitions; `from` and `to` leave partitions out.
 */
export async function* changesByContext(
  em: ChangesDatabase,
  part: JsonObject,
  options: ContextOptions = {},
): AsyncGenerator<Change> {
  const where = [
    sql("context @> ?::jsonb", JSON.stringify(part)),
    options.table === undefined
      ? undefined
      : ofTable(asTable(em, options.table)),
    ...within(options),
  ];
  let last: ChangeRow | undefined;
  for (;;) {
    const arm = all([...where, last && sql("id > ?::uuid", last.id)]);
    const page = await readChanges(em, [arm], { limit: PAGE });
    for (const row of page) yield changeOf(row);
    last = page.at(-1);
    if (page.length < PAGE) return;
  }
}
