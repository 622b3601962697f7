/** An HTTP server in front of a queue: each request adds a job, and does not wait for it. */
import { createServer } from "node:http";
import { setContext } from "@bemi-db/mikro-orm";
import express, { type Request } from "express";
import { login, type NewNote, type User } from "./notes";
import { serving } from "./serving";

export function serveFront(add: (note: NewNote) => Promise<unknown>): void {
  const app = express();
  app.use(
    async (request: Request & { user?: User | undefined }, _res, next) => {
      request.user = await login(request.headers);
      next();
    },
  );
  app.use(
    setContext((request: Request & { user?: User | undefined }) => ({
      endpoint: request.url,
      userId: request.user?.id,
    })),
  );
  app.post("/notes", express.json(), async (request, response) => {
    await add(request.body);
    response.json({});
  });
  const server = createServer(app).listen(0, "127.0.0.1", () =>
    serving(server),
  );
}
