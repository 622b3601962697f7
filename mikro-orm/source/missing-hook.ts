/** Whether MikroORM has the hook: without it no context arrives, and nothing else would tell. */
import { shared, warnOnce } from "./process-state";

interface Hook {
  /** A default counts as installed when MikroORM first calls it. */
  state: "missing" | "default" | "installed";
  scopes: number;
}

export function hook(): Hook {
  return shared<Hook>("hook", () => ({ state: "missing", scopes: 0 }));
}

/** A script with few of them may not use MikroORM at all. */
const SCOPES_BEFORE_LOOKING = 10;
/** MikroORM may be opened by the first request, while others come in. */
const OPENING_MS = 5_000;

/** To be called for each request or job; says once that no context can arrive. */
export function warnWithoutHook(): void {
  const found = hook();
  if (found.state === "installed") return;
  found.scopes += 1;
  if (found.scopes !== SCOPES_BEFORE_LOOKING) return;
  setTimeout(() => {
    if (found.state === "installed") return;
    warnOnce(
      "BEMI_NO_HOOK",
      'This process has no MikroORM with the Bemi extension, so its changes are recorded without context. Add to mikro-orm.config: extensions: [BemiExtension], with BemiExtension imported from "@bemi-db/mikro-orm".',
    );
  }, OPENING_MS).unref();
}
