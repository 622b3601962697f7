/** Express middleware; any framework with the same three arguments will do, such as a hook of Fastify. */
import { type Context, withContext } from "./context";

/**
 * Gives each request the context that `contextOf` makes of it. What it throws is
 * the request's error, as with any middleware.
 */
export function setContext<Request>(
  contextOf: (request: Request) => Context | undefined,
): (request: Request, response: unknown, next: () => void) => void {
  return (request, _response, next) => {
    withContext(contextOf(request), () => next());
  };
}
