import { text } from "node:stream/consumers";
import { withContext } from "@bemi-db/mikro-orm";
import Koa from "koa";
import { addNote, login, type User } from "./notes";
import { serving } from "./serving";

const app = new Koa<{ user?: User | undefined }>();
app.use(async (ctx, next) => {
  ctx.state.user = await login(ctx.headers);
  await next();
});
app.use((ctx, next) =>
  withContext({ endpoint: ctx.url, userId: ctx.state.user?.id }, next),
);
app.use(async (ctx) => {
  ctx.body = await addNote(JSON.parse(await text(ctx.req)));
});

const server = app.listen(0, "127.0.0.1", () => serving(server));
