/**
 * State of the process rather than of a module: an application may load this
 * package as CommonJS and as an ES module at once, and both are to be one.
 */
const KEY = Symbol.for("@bemi-db/mikro-orm");

/** The value of that name, made at the first request for it. */
export function shared<Value>(name: string, make: () => Value): Value {
  const holder = globalThis as { [KEY]?: Map<string, unknown> };
  holder[KEY] ??= new Map();
  const state = holder[KEY];
  if (!state.has(name)) state.set(name, make());
  return state.get(name) as Value;
}

/** By Node's own way, so that `--no-warnings` and `process.on("warning")` apply. */
export function warnOnce(code: string, message: string): void {
  const warned = shared("warned", () => new Set<string>());
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(message, { type: "BemiWarning", code });
}
