/**
 * What labs have left that did not end by themselves. A lab's namespaces have
 * the process id of its owner in their names; its processes end with that.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NAMESPACE_PREFIX } from "./network";

const NAMESPACES = "/run/netns";
/** In front of the names of the labs' folders. */
export const FOLDER_PREFIX = "bemi-lab-";

const MAX_LOOKS = 200;
const PAUSE_MS = 25;

/** Removes what belongs to processes that are over. */
export function removeLeftovers(isOver: (owner: number) => boolean): void {
  for (const name of entries(NAMESPACES)) {
    const owner = ownerOf(name, NAMESPACE_PREFIX);
    if (owner === undefined || !isOver(owner)) continue;
    endAll(name);
    spawnSync("ip", ["netns", "delete", name]);
  }
  for (const name of entries(tmpdir())) {
    const owner = ownerOf(name, FOLDER_PREFIX);
    if (owner === undefined || !isOver(owner)) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

let isSwept = false;

/** For a program that is interrupted: its labs go with it. */
export function removeOwnAtExit(): void {
  if (isSwept) return;
  isSwept = true;
  process.once("exit", () => removeLeftovers((owner) => owner === process.pid));
}

/** Of this boot: a process id alone could be another's by now. */
export function hasEnded(owner: number): boolean {
  try {
    return !readFileSync(`/proc/${owner}/cmdline`, "utf8").includes("node");
  } catch {
    return true;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function ownerOf(name: string, prefix: string): number | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const owner = Number.parseInt(name.slice(prefix.length), 10);
  return Number.isNaN(owner) ? undefined : owner;
}

/**
 * Until none is left, for a while: one that is just being killed may still write
 * into the folder that is removed next, or have started another.
 */
function endAll(namespace: string): void {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const pids = pidsIn(namespace);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}

function pidsIn(namespace: string): number[] {
  const { stdout } = spawnSync("ip", ["netns", "pids", namespace], {
    encoding: "utf8",
  });
  return stdout.split("\n").filter(Boolean).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
