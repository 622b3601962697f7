/**
 * The lab of the VPN: worker, server, node and database on hosts of their own,
 * and what can be done to hosts and networks between them.
 */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Releases } from "../../worker/releases";
import { eventually } from "../eventually";
import { type End, VpnLab } from "../lab/vpn-lab";
import { internetOf, workerNetworkOf } from "./nft-network";
import {
  type BreakableHost,
  DATABASE,
  SERVER_SETTINGS,
  type Site,
} from "./site";

const SET_UP_TIMEOUT_MS = 60_000;

export async function openVpnSite(
  releases: Releases,
  folder: string,
): Promise<Site> {
  const lab = releases.use(await VpnLab.start({ settings: SERVER_SETTINGS }));
  releases.defer(() => keepLogs(lab, folder));
  await lab.untilUp();
  return {
    clusters: { source: lab.database, destination: lab.destination },
    env: lab.workerEnvironment(DATABASE),
    enter: lab.enterWorker(),
    ways: {},
    hosts: {
      "VPN node": vpnHost(lab, "node"),
      "VPN server": vpnHost(lab, "server"),
    },
    networks: {
      internet: internetOf(lab.network),
      "worker's network": workerNetworkOf(lab.network),
    },
  };
}

function vpnHost(lab: VpnLab, end: End): BreakableHost {
  return {
    async break(fault, downMs) {
      await lab.destroy(end);
      await sleep(downMs);
      if (fault === "power failure") {
        await lab.boot(end);
        return;
      }
      await lab.launch(end);
      // A machine whose first start is interrupted is another fault: cloud-init
      // does not begin again.
      await eventually(
        `the ${end} is set up`,
        async () => lab[end].setUpCode === 0,
        SET_UP_TIMEOUT_MS,
      );
    },
  };
}

/** The lab's own folders go with it. */
function keepLogs(lab: VpnLab, folder: string): void {
  const logs: Record<string, string> = {
    source: lab.database.logPath,
    destination: lab.destination.logPath,
    node: join(lab.folder, "node", "journal"),
    server: join(lab.folder, "server", "journal"),
  };
  for (const [name, path] of Object.entries(logs)) {
    copyFileSync(path, join(folder, `${name}.log`));
  }
}
