/**
 * An application with MikroORM, for MikroORM 6 and 7 alike: the tests bundle it
 * beside either version and start it as a process of its own. With `operations`
 * it writes in every way there is and ends; with `serve` it is an HTTP server.
 * Each row's `by` says whose context its change should have.
 */
import { createServer } from "node:http";
import {
  BemiExtension,
  bemiContext,
  bemiDownSql,
  bemiUpSql,
  mergeContext,
  setContext,
  withContext,
} from "@bemi-db/mikro-orm";
import { Migration, Migrator } from "@mikro-orm/migrations";
import {
  EntitySchema,
  LockMode,
  MikroORM,
  type SqlEntityManager,
} from "@mikro-orm/postgresql";
import type { Request } from "express";

class Note {
  id!: number;
  by!: string;
  body: string | null = null;
}

const notes = new EntitySchema<Note>({
  class: Note,
  tableName: "note",
  properties: {
    id: { type: "number", primary: true },
    by: { type: "string" },
    body: { type: "text", nullable: true },
  },
});

class BemiMigration extends Migration {
  override up(): void {
    this.addSql(bemiUpSql());
  }
  override down(): void {
    this.addSql(bemiDownSql());
  }
}

const [mode, variant = ""] = process.argv.slice(2);

async function main(): Promise<void> {
  const orm = await MikroORM.init({
    clientUrl: String(process.env.DATABASE_URL),
    entities: [notes],
    extensions:
      process.env.EXTENSION === "none" ? [Migrator] : [Migrator, BemiExtension],
    migrations: {
      migrationsList: [{ name: "Migration1_bemi", class: BemiMigration }],
      snapshot: false,
      silent: true,
    },
    ...(process.env.OWN_HOOK
      ? { onQuery: (sql: string) => `/* own */ ${sql}` }
      : {}),
    pool: { min: 1, max: 5 },
  });
  try {
    if (mode === "operations") await operations(orm);
    else if (mode === "migrate") await migrate(orm);
    else if (mode === "create") {
      // Its name on 7, and on 6.
      const name = "create" in orm.schema ? "create" : "createSchema";
      await Reflect.get(orm.schema, name).call(orm.schema);
      report("done", true);
    } else if (mode === "drift") await drift(orm);
    else await serve(orm);
  } finally {
    await orm.close(true);
  }
}

let lastId = 0;
const nextId = () => ++lastId;

type Operation = (em: SqlEntityManager, by: string) => Promise<unknown>;
const note = (by: string, body: string | null = null) => ({
  id: nextId(),
  by,
  body,
});

/** Hostile in every place where SQL, MikroORM or a reader could stumble. */
const HOSTILE =
  '?? ? \\? $1 :by \'" /* */ -- ; Bemi*/ /*Bemi {"by":"evil"} Bemi*/ é 😀 \u0000 \ud800';
const STORED = '/*Bemi {"by":"evil"} Bemi*/ ?? \\';

const everyOperation: Readonly<Record<string, Operation>> = {
  flush: async (em, by) => {
    for (let n = 0; n < 25; n += 1) em.create(Note, note(by));
    await em.flush();
  },
  "large flush": async (em, by) => {
    for (let n = 0; n < 700; n += 1) em.create(Note, note(by));
    await em.flush();
  },
  "flush of updates and removals": async (em, by) => {
    const made = [1, 2, 3].map(() => em.create(Note, note(by)));
    await em.flush();
    for (const one of made) one.body = STORED;
    await em.flush();
    await em.remove(made).flush();
  },
  insert: (em, by) => em.insert(Note, note(by, STORED)),
  insertMany: (em, by) => em.insertMany(Note, [note(by), note(by, STORED)]),
  nativeUpdate: async (em, by) => {
    const row = note(by);
    await em.insert(Note, row);
    await em.nativeUpdate(Note, { id: row.id }, { body: STORED });
  },
  nativeDelete: async (em, by) => {
    const row = note(by);
    await em.insert(Note, row);
    await em.nativeDelete(Note, { id: row.id });
  },
  upsert: async (em, by) => {
    const row = note(by);
    await em.upsert(Note, row);
    await em.upsert(Note, { ...row, body: "again" });
  },
  upsertMany: async (em, by) => {
    await em.upsertMany(Note, [note(by), note(by)]);
  },
  "query builder": async (em, by) => {
    const row = note(by);
    await em.createQueryBuilder(Note).insert(row).execute();
    await em
      .createQueryBuilder(Note)
      .update({ body: STORED })
      .where({ id: row.id })
      .execute();
    await em.createQueryBuilder(Note).delete({ id: row.id }).execute();
  },
  "raw with parameters": (em, by) =>
    em
      .getConnection()
      .execute("insert into note (id, by, body) values (?, ?, ?)", [
        nextId(),
        by,
        STORED,
      ]),
  "raw of the entity manager": (em, by) =>
    em.execute(`insert into note (id, by) values (${nextId()}, '${by}')`),
  "raw WITH": (em, by) =>
    em.execute(
      "with made as (select ?::int as id) insert into note (id, by) select id, ? from made",
      [nextId(), by],
    ),
  "raw of several statements": (em, by) =>
    em.execute(
      `set local work_mem = '1MB'; insert into note (id, by) values (${nextId()}, '${by}')`,
    ),
  "explicit transaction": (em, by) =>
    em.transactional(async (inner) => {
      inner.create(Note, note(by));
      await inner.flush();
      await inner.insert(Note, note(by));
      await inner.transactional(async (nested) => {
        await nested.insert(Note, note(by));
      });
    }),
  "begin and commit": async (em, by) => {
    await em.begin();
    await em.insert(Note, note(by));
    await em.commit();
  },
  "rolled back savepoint": (em, by) =>
    em.transactional(async (inner) => {
      await inner
        .transactional(async (nested) => {
          await nested.insert(Note, note(by));
          throw new Error("undone");
        })
        .catch(() => {});
      await inner.insert(Note, note(by));
    }),
  "after a lock": (em, by) =>
    em.transactional(async (inner) => {
      await inner.find(
        Note,
        { id: 1 },
        { lockMode: LockMode.PESSIMISTIC_WRITE },
      );
      await inner.insert(Note, note(by));
    }),
};

const merge: Operation = async (em, by) => {
  const made = nextId();
  await em.insert(Note, { id: made, by, body: null });
  await em.execute(
    "merge into note using (select ?::int as key) s on note.id = s.key when matched then update set body = 'merged'",
    [made],
  );
};

/** All but one write with the context of their own name, side by side. */
async function operations(orm: MikroORM): Promise<void> {
  const all = Object.entries({
    ...everyOperation,
    ...(variant === "merge" ? { merge } : {}),
  });
  await Promise.all(
    all.map(([by, operation]) =>
      withContext({ by, hostile: HOSTILE, "key ?*/": [HOSTILE] }, () =>
        operation(orm.em.fork(), by),
      ),
    ),
  );
  await orm.em.fork().insert(Note, note("nobody"));
  await withContext({ by: "first" }, async () => {
    await orm.em.fork().insert(Note, note("first"));
    bemiContext({ by: "second" });
    await orm.em.fork().insert(Note, note("second"));
    mergeContext({ more: 1 });
    await orm.em.fork().transactional(async (em) => {
      await em.insert(Note, note("second"));
      await withContext({}, () => em.insert(Note, note("nobody")));
    });
  });
  report("done", [...all.map(([by]) => by), ...["first", "second", "nobody"]]);
}

/** What MikroORM's schema tools would change. */
async function drift(orm: MikroORM): Promise<void> {
  const sql = await orm.schema.getUpdateSchemaSQL({ wrap: false });
  report("done", sql.trim());
}

/** Up, down, up, down; how many objects of the package there are after each. */
async function migrate(orm: MikroORM): Promise<void> {
  const counts: unknown[] = [];
  for (const direction of ["up", "down", "up", "down"] as const) {
    await orm.migrator[direction]();
    const [row] = await orm.em.fork().execute(
      `select (select count(*)::int from pg_trigger where tgname = '_bemi_stmt_trigger') as triggers,
              (select count(*)::int from pg_event_trigger) as event_triggers,
              (select count(*)::int from pg_namespace where nspname = '_bemi') as schemas`,
    );
    counts.push(row);
  }
  report("done", counts);
}

/** Express 4 or 5. A request writes in several ways with pauses in between. */
async function serve(orm: MikroORM): Promise<void> {
  const { default: express } = (await import(variant)) as {
    default: typeof import("express");
  };
  const app = express();
  app.use(
    setContext((request: Request) => ({
      by: request.headers["x-by"],
      endpoint: request.url,
      agent: request.headers["user-agent"],
      hostile: HOSTILE,
    })),
  );
  app.use(express.json());
  app.post("/notes", async (request, response) => {
    const by = String(request.headers["x-by"]);
    const em = orm.em.fork();
    em.create(Note, { id: request.body.id, by, body: STORED });
    await em.flush();
    await new Promise((resolve) =>
      setTimeout(resolve, (request.body.id % 7) * 3),
    );
    mergeContext({ merged: by });
    await em.nativeUpdate(Note, { id: request.body.id }, { body: `by ${by}` });
    response.json({ by });
  });
  const server = createServer(app).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  report("serving", typeof address === "object" ? address?.port : undefined);
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  server.closeAllConnections();
  server.close();
}

/** A line as `LoggedProcess` reads them. */
function report(msg: string, result: unknown): void {
  process.stdout.write(`${JSON.stringify({ level: "info", msg, result })}\n`);
}

void main();
