/** A process' memory, as Linux counts it. */
import { readFileSync } from "node:fs";

/** Most that was resident since the process began, in MB. */
export function peakResidentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  if (!match) throw new Error(`/proc/${pid}/status has no VmHWM`);
  return Number(match[1]) / 1024;
}
