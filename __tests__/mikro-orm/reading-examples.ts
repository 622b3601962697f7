/** What the README shows of reading back, as it stands there; `show` collects. */
import {
  Change,
  changesByContext,
  recordAsOf,
  recordHistory,
  tableAsOf,
  tableOf,
  undoSql,
} from "@bemi-db/mikro-orm";
import { MikroORM } from "@mikro-orm/postgresql";
import { Todo } from "./reader-entities";

export async function examples(
  orm: MikroORM,
  requestId: string,
  noon: string,
): Promise<unknown> {
  const em = orm.em.fork();
  const shown: unknown[] = [];
  const show = (...some: unknown[]) => shown.push(some);
  const changesOrm = await MikroORM.init({
    clientUrl: String(process.env.DATABASE_URL),
    entities: [Change],
  });

  const deleted = await em.find(
    Change,
    { table: "todo", operation: "DELETE" },
    { orderBy: { id: "desc" }, limit: 100 },
  );
  show(deleted);

  for (const change of await recordHistory(em, Todo, 5)) {
    const { operation, committedAt, context, before, after } = change;
    show(operation, committedAt, context);
    show(before?.values.title, after?.values.title);
  }

  const then = await recordAsOf(em, Todo, 5, new Date("2026-11-20T12:00:00Z"));
  show(then?.values.title, then?.unknown);

  for await (const { values } of tableAsOf(em, Todo, noon)) show(values.title);

  const mine = changesByContext(em, { userId: 5 }, { from: "2026-11-01" });
  for await (const change of mine) show(change.table, change.operation);

  const sql = await undoSql(em, changesByContext(em, { requestId }));
  show(sql);

  const invoice = { table: "invoice", schema: "billing", key: ["year", "no"] };
  show(await recordAsOf(em, invoice, [2026, 17], noon));

  const todo = tableOf(orm.em, Todo);
  show(await recordHistory(changesOrm.em.fork(), todo, 5));

  await changesOrm.close(true);
  return shown;
}
