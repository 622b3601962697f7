import {
  BemiExtension,
  currentContext,
  mergeContext,
} from "@bemi-db/mikro-orm";
import { Migrator } from "@mikro-orm/migrations";
import { defineConfig } from "@mikro-orm/postgresql";
import { Todo } from "./todo.js";

export default defineConfig({
  clientUrl:
    process.env.DATABASE_URL ??
    "postgres://postgres:postgres@127.0.0.1:5432/todo_app",
  entities: [Todo],
  // The extension sends the request's context along with whatever writes rows.
  extensions: [Migrator, BemiExtension],
  // If you like, the statement too. It has placeholders here, and no values.
  onQuery: (sql) => {
    if (currentContext()) mergeContext({ SQL: sql });
    return sql;
  },
  migrations: { snapshot: false },
});
