/** The SQL that undoes changes: text to look at, which nothing here runs. */
import type { Operation } from "./change";
import { type ChangeRow, oneOf, readChanges } from "./change-rows";
import {
  type ChangesDatabase,
  type Metadata,
  tableOfMetadata,
} from "./tracked-table";
import { dollarTag } from "./undo-literal";
import type { UndoneTable } from "./undo-statement";
import { undoSteps } from "./undo-step";

/** A change of any of the functions here, or of `em.find(Change, …)`. */
export interface ChangeId {
  readonly id: string;
}

export interface UndoOptions {
  /**
   * Generated columns, as `schema.table.column`, of tables whose entity `em`
   * does not know; PostgreSQL refuses to write them.
   */
  readonly generated?: readonly string[];
}

/**
 * One DO statement for psql or any client, in the source database: it undoes the
 * changes from the last to the first, or nothing at all when one of the rows is
 * no longer as its change left it, with an error that names that change.
 * Triggers and foreign keys of the tables act as they always do.
 *
 * @throws for a change that cannot be undone: TRUNCATE, no primary key, values
 * that the trail does not have.
 */
export async function undoSql(
  em: ChangesDatabase,
  changes: ChangeId | Iterable<ChangeId> | AsyncIterable<ChangeId>,
  { generated = [] }: UndoOptions = {},
): Promise<string> {
  const rows = await storedChanges(em, await idsOf(changes));
  const databases = [...new Set(rows.map(({ database }) => database))];
  if (databases.length > 1)
    throw new Error(
      `the changes are of several databases (${databases.join(", ")}); undo those of one at a time`,
    );
  const known = knownTables(em);
  const steps = undoSteps(rows, ({ schema, table }) => {
    const own = `${schema}.${table}.`;
    const { key, generated: others } = known.get(`${schema}.${table}`) ?? NONE;
    const named = generated.filter((name) => name.startsWith(own));
    return {
      key,
      generated: new Set([
        ...others,
        ...named.map((name) => name.slice(own.length)),
      ]),
    };
  });
  return block(rows, steps);
}

const NONE: UndoneTable = { key: [], generated: new Set() };

async function idsOf(
  changes: ChangeId | Iterable<ChangeId> | AsyncIterable<ChangeId>,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  if ("id" in changes) ids.add(changes.id);
  else for await (const { id } of changes) ids.add(id);
  return ids;
}

const PAGE = 1_000;

/** As they are stored, in commit order: what a caller has may have been changed. */
async function storedChanges(
  em: ChangesDatabase,
  ids: ReadonlySet<string>,
): Promise<readonly ChangeRow[]> {
  const inOrder = [...ids].sort();
  const rows: ChangeRow[] = [];
  for (let at = 0; at < inOrder.length; at += PAGE) {
    const page = inOrder.slice(at, at + PAGE);
    const arm = oneOf("id", page, "::uuid");
    rows.push(...(await readChanges(em, [arm], { limit: PAGE })));
  }
  const missing = inOrder.length - rows.length;
  if (missing > 0)
    throw new Error(`${missing} of the changes are not in the table changes`);
  return rows;
}

/** Keys and generated columns of the entities that `em` knows. */
function knownTables(em: ChangesDatabase): ReadonlyMap<string, UndoneTable> {
  const storage = em.getMetadata() as { getAll(): object };
  const all = storage.getAll();
  const entities: Metadata[] =
    all instanceof Map ? [...all.values()] : Object.values(all);
  return new Map(
    entities
      .filter(({ tableName, primaryKeys }) => tableName && primaryKeys.length)
      .map((entity) => {
        const { schema, table, key, properties } = tableOfMetadata(em, entity);
        const generated = properties?.filter((one) => one.generated) ?? [];
        const undone = {
          key: [key].flat(),
          generated: new Set(generated.flatMap(({ columns }) => columns)),
        };
        return [`${schema}.${table}`, undone];
      }),
  );
}

/**
 * One statement, which is one transaction by itself. Rows that the foreign keys
 * of a row made by these changes would take along were made by others: without
 * counting them they would be lost without a word.
 */
function block(rows: readonly ChangeRow[], steps: readonly string[]): string {
  const count = (one: Operation) =>
    rows.filter(({ operation }) => operation === one).length;
  const counted = "FROM pg_catalog.pg_stat_xact_user_tables";
  const [declared, checked] =
    count("CREATE") === 0
      ? ["", ""]
      : [
          `  deleted bigint := (SELECT sum(n_tup_del) ${counted});
  updated bigint := (SELECT sum(n_tup_upd) ${counted});
`,
          `  -- Foreign keys and triggers: rows that these changes did not make
  IF (SELECT sum(n_tup_del) ${counted}) - deleted > ${count("CREATE")}
    OR (SELECT sum(n_tup_upd) ${counted}) - updated > ${count("UPDATE")} THEN
    RAISE EXCEPTION 'nothing was undone: foreign keys or triggers changed rows that these changes did not make';
  END IF;
`,
        ];
  const body = `
#variable_conflict use_column
DECLARE
  undone bigint;
  complaint text;
${declared}BEGIN
${steps.join("")}${checked}END
`;
  const tag = dollarTag(body);
  return `-- Undoes ${rows.length} ${rows.length === 1 ? "change" : "changes"}, all or none.\nDO ${tag}${body}${tag};\n`;
}
