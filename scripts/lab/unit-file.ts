/** Units of systemd, as far as the hosts' units use them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Unit {
  readonly name: string;
  readonly type: "simple" | "oneshot";
  /** Stays active when its commands have ended. */
  readonly remainsActive: boolean;
  readonly start: readonly string[];
  readonly stop: readonly string[];
  readonly environment: readonly string[];
  readonly user: string | undefined;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly restart: string;
  readonly restartSeconds: number;
  readonly startTimeoutSeconds: number;
  /** Of a timer. */
  readonly afterStartSeconds: number | undefined;
  readonly everySeconds: number | undefined;
}

/** Of systemd. */
const DEFAULT_START_TIMEOUT_SECONDS = 90;
const DEFAULT_RESTART_SECONDS = 0.1;

/**
 * @param folders - where units are, the most important one last
 * @throws Error when there is no such unit
 */
export function readUnit(name: string, folders: readonly string[]): Unit {
  const [stem = "", instance = ""] = name.replace(/\.\w+$/, "").split("@");
  const suffix = name.slice(name.lastIndexOf("."));
  const names = name.includes("@") ? [`${stem}@${suffix}`, name] : [name];
  const texts = [
    ...names.flatMap((one) => lastOf(folders, one)),
    ...folders.flatMap((folder) => dropIns(join(folder, `${name}.d`))),
  ];
  if (texts.length === 0) throw new Error(`Unit ${name} not found.`);
  const values = parse(texts.join("\n").replaceAll("%i", instance));
  const last = (key: string) => values.get(key)?.at(-1);
  return {
    name,
    type: last("Type") === "oneshot" ? "oneshot" : "simple",
    remainsActive: last("RemainAfterExit") === "yes",
    start: values.get("ExecStart") ?? [],
    stop: values.get("ExecStop") ?? [],
    environment: values.get("Environment") ?? [],
    user: last("User"),
    capabilities: last("AmbientCapabilities")?.split(" ") ?? [],
    noNewPrivileges: last("NoNewPrivileges") === "yes",
    restart: last("Restart") ?? "no",
    restartSeconds: seconds(last("RestartSec")) ?? DEFAULT_RESTART_SECONDS,
    startTimeoutSeconds:
      seconds(last("TimeoutStartSec")) ?? DEFAULT_START_TIMEOUT_SECONDS,
    afterStartSeconds: seconds(last("OnActiveSec")),
    everySeconds: seconds(last("OnUnitActiveSec")),
  };
}

function lastOf(folders: readonly string[], name: string): string[] {
  const path = folders.map((one) => join(one, name)).findLast(existsSync);
  return path ? [readFileSync(path, "utf8")] : [];
}

function dropIns(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith(".conf"));
  return files.sort().map((name) => readFileSync(join(folder, name), "utf8"));
}

function parse(text: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    values.set(key, value === "" ? [] : [...(values.get(key) ?? []), value]);
  }
  return values;
}

/** A plain number; the hosts' units have no other form. */
function seconds(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  throw new Error(`The lab understands whole seconds, not "${value}".`);
}
