/** The package twice in one process: as an ES module here, as CommonJS beside MikroORM. */
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { withContext } from "@bemi-db/mikro-orm";
import Koa from "koa";
import { serving } from "./serving";

const require = createRequire(import.meta.url);
const { addNote, database, login }: typeof import("./notes") =
  require("./notes.cjs");
if (require("@bemi-db/mikro-orm").withContext === withContext)
  throw new Error("The package is there once only.");

const app = new Koa();
app.use(async (ctx, next) =>
  withContext(
    { endpoint: ctx.url, userId: (await login(ctx.headers))?.id },
    next,
  ),
);
app.use(async (ctx) => {
  ctx.body = await addNote(JSON.parse(await text(ctx.req)));
});

const server = app.listen(0, "127.0.0.1", () => serving(server, database));
