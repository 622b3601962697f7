/**
 * A private database and a worker elsewhere, with the VPN between them: hosts
 * out of network namespaces, on which the stacks' own user_data runs.
 */
import { Releases } from "../../worker/releases";
import type { Cluster, ClusterOptions } from "../cluster";
import { eventually } from "../eventually";
import type { KeyPair } from "../keys/key-pair";
import { wireguardKey } from "../keys/wireguard-key";
import { testAuthority } from "./certificates";
import type { Deployment } from "./environment";
import type { Host } from "./host";
import { hasEnded, removeLeftovers, removeOwnAtExit } from "./leftovers";
import {
  DATABASE_NAME,
  DESTINATION_NAME,
  type Names,
  SERVER_NAME,
} from "./names";
import type { Network } from "./network";
import { buildParts, type LabParts } from "./parts";
import { missingForLab } from "./requirements";
import { associate, setInternet } from "./routers";
import {
  type Forwarding,
  SERVER_PUBLIC_ADDRESSES,
  type Topology,
} from "./topology";
import type { WireGuardHost } from "./wireguard-host";

export interface VpnLabOptions {
  /** @default "nat" */
  readonly forwarding?: Forwarding;
  /** What the node dials: an Elastic IP, or a name. @default "address" */
  readonly endpoint?: "address" | "name";
  /** Of both servers, over those that the lab needs. */
  readonly settings?: ClusterOptions["settings"];
}

export type End = "node" | "server";

const UP_TIMEOUT_MS = 60_000;

export class VpnLab implements AsyncDisposable {
  /** Records of the hosts; captures belong there as well. */
  readonly folder: string;
  readonly names: Names;
  readonly network: Network;
  readonly deployment: Deployment;
  /** The source, in the database's subnets. */
  readonly database: Cluster;
  readonly destination: Cluster;
  readonly node: WireGuardHost;
  readonly server: WireGuardHost;
  readonly worker: Host;
  readonly #releases: Releases;

  private constructor(parts: LabParts, releases: Releases) {
    this.#releases = releases;
    this.folder = parts.folder;
    this.names = parts.names;
    this.network = parts.network;
    this.deployment = parts.deployment;
    this.database = parts.database;
    this.destination = parts.destination;
    this.node = parts.node;
    this.server = parts.server;
    this.worker = parts.worker;
  }

  /**
   * Everything is there and started; the tunnel comes up by itself, for which
   * `untilUp` waits.
   *
   * @throws Error in one sentence when there can be no lab on this machine
   */
  static async start(options: VpnLabOptions = {}): Promise<VpnLab> {
    const missing = missingForLab();
    if (missing) throw new Error(missing);
    removeLeftovers(hasEnded);
    removeOwnAtExit();
    const releases = new Releases();
    try {
      const parts = await buildParts(releases, {
        forwarding: options.forwarding ?? "nat",
        endpoint: options.endpoint ?? "address",
        settings: options.settings ?? {},
        keys: { node: newKeyPair(), server: newKeyPair() },
      });
      const lab = new VpnLab(parts, releases);
      await lab.launch("server");
      await lab.launch("node");
      return lab;
    } catch (error) {
      await releases[Symbol.asyncDispose]();
      throw error;
    }
  }

  get topology(): Topology {
    return this.network.topology;
  }

  /** What goes before a command to run it beside the worker. */
  enterWorker(): readonly string[] {
    return this.worker.enter();
  }

  /** Variables of a worker between databases of these names. */
  workerEnvironment(
    source = "postgres",
    destination = source,
  ): Record<string, string> {
    return {
      ...this.deployment.workerVariables,
      DB_NAME: source,
      DB_USER: this.database.user,
      DB_PASSWORD: this.database.password,
      DB_SSLROOTCERT: testAuthority,
      DEST_DB_HOST: DESTINATION_NAME,
      DEST_DB_NAME: destination,
      DEST_DB_USER: this.destination.user,
      DEST_DB_PASSWORD: this.destination.password,
      // It is beside the worker, and not what a lab is about.
      DEST_DB_SSLMODE: "disable",
      HTTP_PORT: "0",
    };
  }

  /** Waits for a handshake of WireGuard, as the server sees it. */
  async untilUp(timeoutMs = UP_TIMEOUT_MS): Promise<void> {
    await eventually(
      "a handshake",
      async () => (await this.handshakeSeconds()) > 0,
      timeoutMs,
    ).catch((error: Error) => {
      const words = [this.node, this.server].map((host) => host.lastWords());
      throw new Error(`${error.message}\n${words.join("\n")}`);
    });
  }

  /** Unix time of the last handshake, as the server sees it; 0: none yet. */
  async handshakeSeconds(): Promise<number> {
    const text = await this.server.run(
      "wg",
      "show",
      "wg0",
      "latest-handshakes",
    );
    return Number(text.split(/\s/)[1]);
  }

  /** The power of a host fails. */
  async destroy(end: End): Promise<void> {
    // Its kernel is this machine's, and would go on forwarding.
    await this.network.run(end, "ip", "link", "set", "eth0", "down");
    await this[end].kill();
  }

  /** The same machine with the same disk, after `destroy`. */
  async boot(end: End): Promise<void> {
    await this.network.renew(end);
    await this[end].boot();
  }

  /** A new machine in its place, with the same addresses, as Terraform makes it. */
  async launch(end: End): Promise<void> {
    await this.destroy(end);
    await this.network.renew(end);
    await this[end].launch();
  }

  /** Drops every packet between the two networks, or carries them again. */
  async setInternet(state: "up" | "down"): Promise<void> {
    await setInternet(this.network, state);
  }

  /** The server's name has this address now, and the old one is nobody's. */
  async moveServer(
    address: string = SERVER_PUBLIC_ADDRESSES[1],
  ): Promise<void> {
    await associate(this.network, address);
    await this.names.set(SERVER_NAME, address);
  }

  /**
   * A failover: the database is in another subnet under its old name, and what
   * was sent to its old address is never answered.
   */
  async moveDatabase(to: "first" | "second"): Promise<void> {
    const { network, topology } = this;
    const index = to === "first" ? 0 : 1;
    const address = topology.databaseAddresses[index];
    const router = address.replace(/\d+$/, "1");
    const [card, other] = index === 0 ? ["eth0", "eth1"] : ["eth1", "eth0"];
    const run = (...command: string[]) => network.run("database", ...command);
    await run("ip", "address", "flush", "dev", other);
    await run("ip", "address", "add", `${address}/24`, "dev", card);
    await run("ip", "route", "replace", "default", "via", router);
    await this.names.set(DATABASE_NAME, address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releases[Symbol.asyncDispose]();
  }
}

export function newKeyPair(): KeyPair {
  const createdAt = new Date().toISOString();
  return { ...wireguardKey.generate("lab"), createdAt };
}
