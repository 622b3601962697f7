/** Express middleware; any framework with the same three arguments will do, such as a hook of Fastify. */
import { type Context, withContext } from "./context";

/**
 * Gives each request the context that `contextOf` makes of it, at once or later.
 * What it throws or rejects with is the request's error, as with any middleware.
 */
export function setContext<Request>(
  contextOf: (
    request: Request,
  ) => Context | undefined | PromiseLike<Context | undefined>,
): (
  request: Request,
  response: unknown,
  next: (error?: Error) => void,
) => void {
  return (request, _response, next) => {
    const go = (context: Context | undefined) =>
      withContext(context, () => next());
    const context = contextOf(request);
    // Taken for a context it would be an empty one, and nobody would notice.
    if (isPromise(context)) context.then(go, (reason) => next(errorOf(reason)));
    else go(context);
  };
}

function isPromise(
  value: Context | undefined | PromiseLike<Context | undefined>,
): value is PromiseLike<Context | undefined> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

/** Anything else than an error could tell a framework to go on. */
function errorOf(reason: unknown): Error {
  return reason instanceof Error
    ? reason
    : new Error("the request's context was rejected", { cause: reason });
}
