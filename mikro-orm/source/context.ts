/**
 * The context of the current asynchronous execution: of a request, a job, a
 * call. It lives in a holder, so that changing it reaches the whole request and
 * no other one.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { warnWithoutHook } from "./missing-hook";
import { shared, warnOnce } from "./process-state";

/** What is recorded with every change; anything that JSON can hold. */
export type Context = object;

interface Holder {
  context: Context | undefined;
  /** Of setContext or withContext, and so of one request or job alone. */
  readonly scoped?: boolean;
}

/** One for the CommonJS and the ES module copy of this package. */
const storage = shared<AsyncLocalStorage<Holder>>(
  "storage",
  () => new AsyncLocalStorage(),
);

/** Undefined outside of any scope, and in one that was given none. */
export function currentContext(): Context | undefined {
  return storage.getStore()?.context;
}

/**
 * Runs `work` with a context of its own: queue workers, scheduled jobs, scripts,
 * GraphQL resolvers. What `work` calls and awaits sees it, and nothing else does.
 * `{}` records changes without a context also within somebody else's transaction.
 */
export function withContext<Result>(
  context: Context | undefined,
  work: () => Result,
): Result {
  warnWithoutHook();
  return storage.run({ context, scoped: true }, work);
}

/**
 * Replaces the context of the current request or `withContext`. Without such a
 * scope it is bound to the current asynchronous execution, from which later work
 * can inherit it (the next message of the same loop, on Node 20 the next request
 * of the same connection), hence a warning, once. A call further down then gives
 * one to what it starts itself, and leaves the caller's.
 */
export function bemiContext(context: Context): void {
  const holder = storage.getStore();
  // One without a scope may be another request's, which had started this one.
  if (holder?.scoped) {
    holder.context = context;
    return;
  }
  warnOnce(
    "BEMI_UNSCOPED",
    "bemiContext() was called outside of setContext() and withContext(), so that later work can inherit its context. Wrap each job or request in withContext(context, () => …).",
  );
  storage.enterWith({ context });
}

/** Adds to the current context, such as a user that is known after the login. */
export function mergeContext(addition: Context): void {
  bemiContext({ ...currentContext(), ...addition });
}
