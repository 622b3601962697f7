/** A jump host as something that breaks. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Sshd } from "../lab/sshd";
import type { HostFault } from "./fault-action";
import type { BreakableHost } from "./site";

export function sshHost(sshd: Sshd): BreakableHost {
  return {
    async break(fault: HostFault, downMs: number): Promise<void> {
      if (fault === "pause") {
        sshd.pause();
        await sleep(downMs);
        sshd.resume();
        return;
      }
      await sshd.stop(fault === "restart" ? "stay" : "cut");
      await sleep(downMs);
      await sshd.startAgain();
    },
  };
}
