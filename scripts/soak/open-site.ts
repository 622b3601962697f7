/** Servers, and the way of a worker to them: on loopback, by SSH, by VPN. */
import { join } from "node:path";
import type { Releases } from "../../worker/releases";
import { Cluster } from "../cluster";
import { startSshd } from "../lab/sshd";
import type { Server, Through } from "./fault-action";
import { FaultProxy } from "./fault-proxy";
import { DATABASE, SERVER_SETTINGS, type Site } from "./site";
import { sshHost } from "./ssh-host";

/** `folder` is for the logs of what runs there. */
export type OpenSite = (releases: Releases, folder: string) => Promise<Site>;

export const OPEN_SITE: Readonly<Record<Through, OpenSite>> = {
  direct: openLoopback,

  /** The way to the source is then the one from the jump host. */
  async ssh(releases, folder) {
    const site = await openLoopback(releases, folder);
    const sshd = releases.use(await startSshd());
    const way = releases.use(await FaultProxy.start(sshd));
    return {
      ...site,
      env: { ...site.env, ...sshd.environment, SSH_PORT: String(way.port) },
      ways: { ...site.ways, "jump host": way },
      hosts: { "jump host": sshHost(sshd) },
    };
  },

  /** Loaded when it is asked for: it synthesizes stacks. */
  async vpn(releases, folder) {
    const { openVpnSite } = await import("./vpn-site.js");
    return openVpnSite(releases, folder);
  },
};

async function openLoopback(releases: Releases, folder: string): Promise<Site> {
  const start = async (name: Server): Promise<Cluster> => {
    const logFile = join(folder, `${name}.log`);
    return releases.use(
      await Cluster.start({ logFile, settings: SERVER_SETTINGS }),
    );
  };
  const clusters = {
    source: await start("source"),
    destination: await start("destination"),
  };
  const ways = {
    source: releases.use(await FaultProxy.start(clusters.source)),
    destination: releases.use(await FaultProxy.start(clusters.destination)),
  };
  return {
    ...{ clusters, ways, enter: [], hosts: {}, networks: {} },
    env: {
      ...connection("DB", clusters.source, ways.source),
      ...connection("DEST_DB", clusters.destination, ways.destination),
      HTTP_PORT: "0",
    },
  };
}

function connection(
  prefix: "DB" | "DEST_DB",
  { user, password }: Cluster,
  proxy: FaultProxy,
): Record<string, string> {
  return {
    [`${prefix}_HOST`]: "127.0.0.1",
    [`${prefix}_PORT`]: String(proxy.port),
    [`${prefix}_NAME`]: DATABASE,
    [`${prefix}_USER`]: user,
    [`${prefix}_PASSWORD`]: password,
  };
}
