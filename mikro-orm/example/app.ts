import { setContext } from "@bemi-db/mikro-orm";
import {
  type EntityManager,
  NotFoundError,
  RequestContext,
} from "@mikro-orm/core";
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
} from "express";
import { Todo } from "./todo.js";

/** The to-do list over HTTP. */
export function createApp(em: EntityManager): Express {
  const app = express();
  app.use(express.json());
  // What every change of this request is recorded with.
  app.use(
    setContext((req: Request) => ({
      user_id: userOf(req),
      endpoint: req.url,
      method: req.method,
      request_id: req.get("x-request-id"),
    })),
  );
  // `em` below stands for a fork of it that this request has to itself.
  app.use((_req, _res, next) => RequestContext.create(em, next));

  app.get("/todo", async (_req, res) => {
    res.json(await em.findAll(Todo, { orderBy: { id: "asc" } }));
  });

  app.post("/todo", async (req, res) => {
    const todo = em.create(Todo, { task: taskOf(req.body?.task) });
    await em.flush();
    res.status(201).json(todo);
  });

  app.put("/todo/complete", async (req, res) => {
    const todo = await em.findOneOrFail(Todo, idOf(req.body?.id));
    todo.isCompleted = true;
    await em.flush();
    res.json(todo);
  });

  app.delete("/todo/:id", async (req, res) => {
    const todo = await em.findOneOrFail(Todo, idOf(req.params.id));
    await em.remove(todo).flush();
    res.status(204).end();
  });

  app.use(explain);
  return app;
}

/**
 * Stands in for a login: whoever says who they are is believed. In an
 * application of yours, the user of the session or of the token.
 */
function userOf(req: Request): number {
  const user = req.get("x-user-id") ?? "";
  if (!/^\d{1,9}$/.test(user))
    throw new Refusal(401, "The header X-User-Id must be your number.");
  return Number(user);
}

function taskOf(task: unknown): string {
  if (typeof task !== "string" || task.trim() === "" || task.length > 1000)
    throw new Refusal(400, "task must be a text of 1 to 1000 characters.");
  if (task.includes("\0"))
    throw new Refusal(400, "task has a NUL character, which no text can hold.");
  return task;
}

function idOf(id: unknown): number {
  if (!/^[1-9]\d{0,9}$/.test(String(id)) || Number(id) > 2 ** 31 - 1)
    throw new Refusal(400, "id must be the number of a to-do.");
  return Number(id);
}

/** The request's own fault. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const explain: ErrorRequestHandler = (error, _req, res, next) => {
  const status = error instanceof NotFoundError ? 404 : error.status;
  if (!(status < 500)) return next(error);
  res.status(status).json({ error: error.message });
};
