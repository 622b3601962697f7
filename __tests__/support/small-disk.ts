/** A disk of a certain size, for a server to fill. */
import { execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../../scripts/cluster";

export class SmallDisk implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  /** Undefined where nobody may mount one. */
  static mountFor(cluster: Cluster, megabytes: number): SmallDisk | undefined {
    const folder = mkdtempSync(join(tmpdir(), "bemi-disk-"));
    try {
      mount("-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder);
    } catch {
      rmSync(folder, { recursive: true });
      return undefined;
    }
    const { uid, gid } = statSync(cluster.dataFolder);
    chownSync(folder, uid, gid);
    return new SmallDisk(folder);
  }

  grow(megabytes: number): void {
    mount("-o", `remount,size=${megabytes}m`, this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Lazily: the server may have files open on it still.
    execFileSync("umount", ["-l", this.folder]);
    rmSync(this.folder, { recursive: true });
  }
}

function mount(...args: string[]): void {
  execFileSync("mount", args, { stdio: "ignore" });
}
