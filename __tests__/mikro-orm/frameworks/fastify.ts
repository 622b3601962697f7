import { setContext } from "@bemi-db/mikro-orm";
import Fastify, { type FastifyRequest } from "fastify";
import { addNote, login, type NewNote, type User } from "./notes";
import { serving } from "./serving";

declare module "fastify" {
  interface FastifyRequest {
    user?: User | undefined;
  }
}

const app = Fastify();
app.addHook("onRequest", async (request) => {
  request.user = await login(request.headers);
});
app.addHook(
  "preHandler",
  setContext((request: FastifyRequest) => ({
    endpoint: request.url,
    userId: request.user?.id,
  })),
);
app.post<{ Body: NewNote }>("/notes", ({ body }) => addNote(body));

await app.listen({ host: "127.0.0.1", port: 0 });
await serving(app.server);
