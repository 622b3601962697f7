/** A disk of a certain size, for a server to fill. */
import { execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../../scripts/cluster";

export class SmallDisk implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  /** Only an administrator may mount one, and not in every container. */
  static isPossible(): boolean {
    try {
      SmallDisk.mount(1).unmount();
      return true;
    } catch {
      return false;
    }
  }

  static mountFor(cluster: Cluster, megabytes: number): SmallDisk {
    const disk = SmallDisk.mount(megabytes);
    const { uid, gid } = statSync(cluster.dataFolder);
    chownSync(disk.folder, uid, gid);
    return disk;
  }

  private static mount(megabytes: number): SmallDisk {
    const folder = mkdtempSync(join(tmpdir(), "bemi-disk-"));
    try {
      mount("-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder);
      return new SmallDisk(folder);
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  grow(megabytes: number): void {
    mount("-o", `remount,size=${megabytes}m`, this.folder);
  }

  unmount(): void {
    // Lazily: the server may have files open on it still.
    execFileSync("umount", ["-l", this.folder]);
    rmSync(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unmount();
  }
}

function mount(...args: string[]): void {
  execFileSync("mount", args, { stdio: "ignore" });
}
