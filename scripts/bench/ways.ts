/** Ways of a worker to its source that are compared: direct, by SSH, by VPN. */
import type { Releases } from "../../worker/releases";
import { Cluster } from "../cluster";
import { missingForLab } from "../lab/requirements";
import { NO_SSHD, sshdPath, startSshd } from "../lab/sshd";
import { VpnLab } from "../lab/vpn-lab";
import { BENCH_SETTINGS, DIRECT, type Pair, type Route } from "./pair";

export interface Way {
  readonly name: "direct" | "SSH" | "VPN";
  readonly clusters: Pair["clusters"];
  readonly route: Route;
}

export interface Ways {
  /** The direct one first, which there always is. */
  readonly ways: readonly [direct: Way, ...tunnels: Way[]];
  /** What was measured, and what could not be, as sentences. */
  readonly notes: readonly string[];
}

export async function openWays(releases: Releases): Promise<Ways> {
  const start = async () =>
    releases.use(await Cluster.start({ settings: BENCH_SETTINGS }));
  const clusters = { source: await start(), destination: await start() };
  const tunnels: Way[] = [];
  const notes: string[] = [];
  if (sshdPath === undefined) notes.push(`SSH is left out. ${NO_SSHD}`);
  else {
    const { environment } = releases.use(await startSshd());
    const route = { env: () => environment, enter: [] };
    tunnels.push({ name: "SSH", clusters, route });
    notes.push("SSH: OpenSSH's server on loopback.");
  }
  const missing = missingForLab();
  if (missing) notes.push(`VPN is left out. ${missing}`);
  else {
    const lab = releases.use(await VpnLab.start({ settings: BENCH_SETTINGS }));
    await lab.untilUp();
    tunnels.push({
      name: "VPN",
      clusters: { source: lab.database, destination: lab.destination },
      route: {
        env: (database) => ({
          ...lab.workerEnvironment(database),
          // As on the other ways: what is compared is the way.
          DB_SSLMODE: "disable",
        }),
        enter: lab.enterWorker(),
      },
    });
    notes.push(
      `VPN: node and server in network namespaces, WireGuard by ${await implementation(lab)}.`,
    );
  }
  return {
    ways: [{ name: "direct", clusters, route: DIRECT }, ...tunnels],
    notes,
  };
}

/** `wg-quick` takes the kernel's where there is one. */
async function implementation(lab: VpnLab): Promise<string> {
  const link = await lab.node.run("ip", "-details", "link", "show", "wg0");
  return /^\s+wireguard\b/m.test(link) ? "the kernel" : "wireguard-go";
}
