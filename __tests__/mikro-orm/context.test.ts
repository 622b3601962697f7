/** Whose context it is, and who else sees it: nobody. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  bemiContext,
  currentContext,
  mergeContext,
  withContext,
} from "../../mikro-orm/source/context";
import { bemiOnQuery } from "../../mikro-orm/source/on-query";
import { setContext } from "../../mikro-orm/source/set-context";

const warning = jest.spyOn(process, "emitWarning").mockImplementation();
beforeEach(() => warning.mockClear());

test("what work awaits sees the context, and what comes after does not", async () => {
  const seen = await withContext({ a: 1 }, async () => {
    await sleep(1);
    return currentContext();
  });
  expect(seen).toEqual({ a: 1 });
  expect(currentContext()).toBeUndefined();
});

test("a change within reaches the whole scope and no other one", async () => {
  const job = (name: string) =>
    withContext({ name }, async () => {
      const helper = async () => {
        await sleep(1);
        mergeContext({ user: name });
      };
      await helper();
      await withContext({ inner: true }, async () => bemiContext({ inner: 2 }));
      return currentContext();
    });
  expect(await Promise.all([job("a"), job("b")])).toEqual([
    { name: "a", user: "a" },
    { name: "b", user: "b" },
  ]);
});

test("bemiContext without a scope is told once", async () => {
  await new Promise<void>((resolve) =>
    setImmediate(() => {
      bemiContext({ a: 1 });
      bemiContext({ a: 2 });
      expect(currentContext()).toEqual({ a: 2 });
      resolve();
    }),
  );
  expect(warning).toHaveBeenCalledTimes(1);
  expect(warning.mock.calls[0]?.[1]).toMatchObject({ code: "BEMI_UNSCOPED" });
});

test("what is started side by side without a scope keeps its own context", async () => {
  const handler = async (event: number) => {
    bemiContext({ event });
    await sleep(1);
    mergeContext({ user: event });
    await sleep(1);
    return currentContext();
  };
  expect(await Promise.all([handler(1), handler(2)])).toEqual([
    { event: 1, user: 1 },
    { event: 2, user: 2 },
  ]);
});

test("another copy of the package sees the same context, and adds no second comment", () => {
  jest.isolateModules(() => {
    const copy = {
      ...require("../../mikro-orm/source/context"),
      ...require("../../mikro-orm/source/on-query"),
    };
    expect(copy.currentContext).not.toBe(currentContext);
    withContext({ a: 1 }, () =>
      expect(copy.currentContext()).toEqual({ a: 1 }),
    );
    const both = copy.bemiOnQuery(bemiOnQuery());
    withContext({ a: 1 }, () =>
      expect(both("insert into t values (1)", [])).toBe(
        '/*Bemi {"a":1} Bemi*/ insert into t values (1)',
      ),
    );
  });
});

describe("the middleware", () => {
  const request = { url: "/a" };

  test("gives the request its context", () => {
    const middleware = setContext((req: typeof request) => ({ at: req.url }));
    let seen: unknown;
    middleware(request, {}, () => {
      seen = currentContext();
    });
    expect(seen).toEqual({ at: "/a" });
  });

  test("waits for a context that comes later", async () => {
    const middleware = setContext(async (req: typeof request) => {
      await sleep(1);
      return { at: req.url };
    });
    const seen = await new Promise((resolve) =>
      middleware(request, {}, () => resolve(currentContext())),
    );
    expect(seen).toEqual({ at: "/a" });
  });

  test.each([
    [new Error("no user"), "no user"],
    [undefined, "the request's context was rejected"],
  ])("gives a rejection with %s to the framework", async (reason, message) => {
    const middleware = setContext(() => Promise.reject(reason));
    const error = await new Promise((resolve) =>
      middleware(request, {}, resolve),
    );
    expect(error).toMatchObject({ message });
  });

  test("leaves an error to the framework", () => {
    const middleware = setContext(() => {
      throw new Error("no user");
    });
    const next = jest.fn();
    expect(() => middleware(request, {}, next)).toThrow("no user");
    expect(next).not.toHaveBeenCalled();
  });
});

describe("the warning of a missing hook", () => {
  // As in a process that has just started.
  beforeEach(() => {
    jest.useFakeTimers();
    Reflect.deleteProperty(globalThis, Symbol.for("@bemi-db/mikro-orm"));
  });
  afterEach(() => jest.useRealTimers());

  const times = (count: number, scope: () => void) => {
    for (let n = 0; n < count; n += 1) scope();
    jest.advanceTimersByTime(4_000);
  };
  const request = () => setContext(() => ({}))({}, {}, () => {});
  const job = () => withContext({}, () => {});

  test.each([
    ["requests", request],
    ["jobs", job],
  ])("comes once, some seconds after some %s", (_name, scope) => {
    times(9, scope);
    jest.advanceTimersByTime(10_000);
    times(1, scope);
    expect(warning).not.toHaveBeenCalled();
    times(20, scope);
    jest.advanceTimersByTime(10_000);
    expect(warning).toHaveBeenCalledTimes(1);
    expect(warning.mock.calls[0]?.[1]).toMatchObject({ code: "BEMI_NO_HOOK" });
  });

  test("does not come when MikroORM was opened in the meantime", () => {
    times(20, request);
    bemiOnQuery();
    jest.advanceTimersByTime(10_000);
    expect(warning).not.toHaveBeenCalled();
  });
});

describe("a statement", () => {
  const onQuery = bemiOnQuery((sql) => `/* traced */ ${sql}`);
  const asked = (sql: string, context?: object) =>
    withContext(context, () => onQuery(sql, []));

  test("that writes has the context in front of what the configuration's own hook made", () => {
    expect(asked("insert into t values (1)", { a: "*/" })).toBe(
      '/*Bemi {"a":"\\u002a/"} Bemi*/ /* traced */ insert into t values (1)',
    );
  });

  test("that reads, or has no context, is what it was", () => {
    expect(asked("select 1", { a: 1 })).toBe("/* traced */ select 1");
    expect(asked("delete from t")).toBe("/* traced */ delete from t");
  });

  test("clears the context with an empty one", () => {
    expect(asked("delete from t", {})).toBe(
      "/*Bemi {} Bemi*/ /* traced */ delete from t",
    );
  });
});
