/**
 * What a lab is put together from: networks, names, the deployed stacks, both
 * servers, and the machines, of which none but the worker's runs yet.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Releases } from "../../worker/releases";
import { Cluster } from "../cluster";
import type { ServerSettings } from "../data-folder";
import { type KeyPair, writeKeyPair } from "../keys/key-pair";
import { serverCertificate, serverKey } from "./certificates";
import { type Deployment, deploy } from "./environment";
import { Host } from "./host";
import { FOLDER_PREFIX } from "./leftovers";
import { DATABASE_NAME, DESTINATION_NAME, Names, SERVER_NAME } from "./names";
import { Network } from "./network";
import { associate, setInternet, setUpRouters } from "./routers";
import {
  DESTINATION_ADDRESS,
  type Forwarding,
  SERVER_ADDRESS,
  SERVER_PUBLIC_ADDRESSES,
  topologyOf,
} from "./topology";
import { WireGuardHost } from "./wireguard-host";

export interface LabPlan {
  readonly forwarding: Forwarding;
  readonly endpoint: "address" | "name";
  /** Of both servers. */
  readonly settings: ServerSettings;
  readonly keys: { readonly node: KeyPair; readonly server: KeyPair };
}

const POSTGRES_PORT = 5432;

let count = 0;

export interface LabParts {
  readonly folder: string;
  readonly names: Names;
  readonly network: Network;
  readonly deployment: Deployment;
  readonly database: Cluster;
  readonly destination: Cluster;
  readonly node: WireGuardHost;
  readonly server: WireGuardHost;
  readonly worker: Host;
}

export async function buildParts(
  releases: Releases,
  { forwarding, endpoint, settings, keys }: LabPlan,
): Promise<LabParts> {
  count += 1;
  const folder = await mkdtemp(
    join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-${count}-`),
  );
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const topology = topologyOf(forwarding);
  const network = releases.use(
    await Network.build(`${process.pid}-${count}`, topology),
  );
  await setUpRouters(network, topology.nodeAddress);
  await setInternet(network, "up");
  const [publicAddress] = SERVER_PUBLIC_ADDRESSES;
  await associate(network, publicAddress);

  const names = new Names(join(folder, "hosts"));
  await names.set(DATABASE_NAME, topology.databaseAddresses[0]);
  await names.set(DESTINATION_NAME, DESTINATION_ADDRESS);
  await names.set(SERVER_NAME, publicAddress);

  const deployment = deploy({
    forwarding,
    databaseSubnets: topology.databaseSubnets,
    publicKeys: {
      node: keys.node.publicKey,
      server: keys.server.publicKey,
    },
    endpoint: endpoint === "name" ? "name" : { address: publicAddress },
  });
  for (const to of deployment.routes) {
    await network.route({ host: "workerRouter", to, via: SERVER_ADDRESS });
  }

  const start = (host: "database" | "destination") =>
    startServer(network, host, settings);
  const hostOf = (name: "node" | "server" | "worker") => ({
    enterNetwork: network.enter(name),
    folder: join(folder, name),
    hostsFile: names.hostsFile,
  });
  const createEnd = async (end: keyof LabPlan["keys"]) => {
    const host = releases.use(
      await WireGuardHost.create({
        ...hostOf(end),
        userData:
          end === "node" ? deployment.nodeUserData : deployment.serverUserData,
        secretName: deployment.secretNames[end],
      }),
    );
    await host.setSecret(writeKeyPair(keys[end]));
    return host;
  };
  const database = releases.use(await start("database"));
  const destination = releases.use(await start("destination"));
  const worker = releases.use(new Host(hostOf("worker")));
  await worker.start();
  const [node, server] = [await createEnd("node"), await createEnd("server")];
  return {
    ...{ folder, names, network, deployment, database, destination },
    ...{ node, server, worker },
  };
}

/** With TLS, for whoever wants it, and for all addresses. */
async function startServer(
  network: Network,
  host: "database" | "destination",
  settings: ServerSettings,
): Promise<Cluster> {
  return await Cluster.start({
    place: { enter: network.enter(host), port: POSTGRES_PORT },
    settings: {
      ssl: true,
      ssl_cert_file: "lab.crt",
      ssl_key_file: "lab.key",
      ...settings,
    },
    files: {
      "lab.crt": serverCertificate,
      "lab.key": serverKey,
      "pg_hba.conf": `local all all scram-sha-256
host all all all scram-sha-256
host replication all all scram-sha-256
`,
    },
  });
}
