/**
 * An application that reads `changes` back, for MikroORM 6 and 7 alike. It
 * answers calls over HTTP: the function's name and its arguments as JSON; a
 * bigint of an answer is its digits and an n.
 */
import { createServer } from "node:http";
import {
  BemiExtension,
  Change,
  type ChangeId,
  type ContextOptions,
  changesByContext,
  type HistoryOptions,
  type JsonObject,
  type RecordKey,
  recordAsOf,
  recordHistory,
  type Table,
  tableAsOf,
  tableOf,
  type UndoOptions,
  undoSql,
} from "@bemi-db/mikro-orm";
import { MikroORM } from "@mikro-orm/postgresql";
import {
  doubles,
  Event,
  events,
  Place,
  places,
  Todo,
  todos,
} from "./reader-entities";
import { examples } from "./reading-examples";

async function main(): Promise<void> {
  const orm = await MikroORM.init({
    clientUrl: String(process.env.DATABASE_URL),
    entities: [todos, events, doubles, ...places, Change],
    extensions: [BemiExtension],
  });
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const [name, ...args] = JSON.parse(Buffer.concat(chunks).toString());
    const answer = await call(orm, name, args).then(
      (result) => ({ result }),
      (error: Error) => ({ error: error.message }),
    );
    response.end(
      JSON.stringify(answer, (_, value) =>
        typeof value === "bigint" ? `${value}n` : value,
      ),
    );
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  process.stdout.write(
    `${JSON.stringify({ level: "info", msg: "serving", port })}\n`,
  );
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  server.closeAllConnections();
  server.close();
  await orm.close(true);
}

/** A table by the entity's name, by its names, or as `tableOf` with options. */
function target(em: MikroORM["em"], name: unknown) {
  if (typeof name === "string") return entity(name);
  const { entity: one, ...options } = name as { entity?: string };
  return one === undefined
    ? (name as Table)
    : tableOf(em, entity(one), options);
}

/** All as if of one type: the tests are about what runs. */
function entity(name: string): typeof Todo {
  const entities: Record<string, unknown> = { Todo, Event, Place };
  return entities[name] as typeof Todo;
}

async function call(
  orm: MikroORM,
  name: string,
  args: readonly unknown[],
  em = orm.em.fork(),
): Promise<unknown> {
  const [first] = args;
  const key = args[1] as RecordKey;
  const options = args[2] as HistoryOptions;
  switch (name) {
    case "find":
      return em.find(Change, first as object, { orderBy: { id: "asc" } });
    case "count":
      return em.count(Change, first as object);
    case "history":
      return recordHistory(em, target(em, first), key, options);
    case "asOf":
      return known(
        await recordAsOf(em, target(em, first), key, String(args[2])),
      );
    case "table":
      return collect(tableAsOf(em, target(em, first), String(args[1])));
    case "byContext":
      return collect(
        changesByContext(em, first as JsonObject, args[1] as ContextOptions),
      );
    case "undo":
      return undoSql(em, first as ChangeId[], args[1] as UndoOptions);
    case "undoContext":
      return undoSql(em, changesByContext(em, first as JsonObject));
    case "examples":
      return examples(orm, String(first), String(args[1]));
    case "explained":
      return explained(orm, String(first), args.slice(1));
    case "write":
      return write(em);
    case "drift":
      return orm.schema.getUpdateSchemaSQL({ wrap: false });
    case "created":
      return orm.schema.getCreateSchemaSQL({ wrap: false });
    default:
      throw new Error(name);
  }
}

/** The answer, and the plan of each statement that it took. */
async function explained(
  orm: MikroORM,
  name: string,
  args: readonly unknown[],
): Promise<unknown> {
  const plans: unknown[] = [];
  const em = orm.em.fork();
  const execute = em.execute.bind(em);
  em.execute = (async (query: string, params?: unknown[]) => {
    const [row] = await execute(`explain (format json) ${query}`, params);
    const [{ Plan }] = (row as Record<string, [{ Plan: unknown }]>)[
      "QUERY PLAN"
    ] as [{ Plan: unknown }];
    plans.push(Plan);
    return execute(query, params);
  }) as typeof em.execute;
  return { answer: await call(orm, name, args, em), plans };
}

/** JSON has no undefined, which says something else than null. */
function known(result: unknown): unknown {
  return result === undefined ? "unknown" : result;
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Every way in which a unit of work could write one. */
async function write(em: MikroORM["em"]): Promise<unknown> {
  const [found] = await em.find(Change, { operation: "CREATE" }, { limit: 1 });
  if (!found) throw new Error("no change");
  found.table = "overwritten";
  em.persist(found);
  const made = Object.assign(new Change(), { ...found, id: "made" });
  em.persist(made);
  return em.flush().then(
    () => "flushed",
    (error: Error) => error.message,
  );
}

void main();
