/** Network namespaces, and the cables between them. */
import { runProgram } from "../child-process";
import {
  type Cable,
  HOST_NAMES,
  type HostName,
  type Route,
  type Topology,
} from "./topology";

/** In front of the names of all namespaces; the lab's own name comes next. */
export const NAMESPACE_PREFIX = "bemi-lab-";

export class Network implements AsyncDisposable {
  readonly #routes: Route[] = [];

  private constructor(
    readonly lab: string,
    readonly topology: Topology,
  ) {}

  /** @param lab - unique on this machine */
  static async build(lab: string, topology: Topology): Promise<Network> {
    const network = new Network(lab, topology);
    try {
      for (const host of HOST_NAMES) await network.#add(host);
      for (const cable of topology.cables) await network.#wire(cable);
      for (const route of topology.routes) await network.route(route);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** What goes before a command to run it with this host's network. */
  enter(host: HostName): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.#name(host)}`, "--"];
  }

  /** Runs to the end. @throws Error with what it said when it fails */
  async run(host: HostName, ...command: readonly string[]): Promise<string> {
    return await must([...this.enter(host), ...command]);
  }

  /** Stays when one of its two ends is renewed. */
  async route(route: Route): Promise<void> {
    this.#routes.push(route);
    await this.#set(route);
  }

  async #set({ host, to, via, card }: Route): Promise<void> {
    const next = via ? ["via", via] : ["dev", card ?? ""];
    await this.run(host, "ip", "route", "replace", to, ...next);
  }

  /** Rules of nftables, in place of those of the same tables. */
  async filter(host: HostName, rules: string): Promise<void> {
    await must([...this.enter(host), "nft", "-f", "-"], rules);
  }

  /** A host's cards, addresses, rules and connections are as on the first day. */
  async renew(host: HostName): Promise<void> {
    const cables = this.topology.cables.filter(({ ends }) =>
      ends.some((end) => end.host === host),
    );
    const cards = cables.flatMap(({ ends }) => ends);
    for (const { name } of cards.filter((card) => card.host === host)) {
      // At once; those of a namespace that is deleted go some time later.
      await this.run(host, "ip", "link", "delete", name);
    }
    await must(["ip", "netns", "delete", this.#name(host)]);
    await this.#add(host);
    for (const cable of cables) await this.#wire(cable);
    // The other end has lost its card as well, and the routes by it.
    const hosts = new Set(cards.map((card) => card.host));
    // The list stays as it is: another host may be renewed at the same time.
    for (const route of this.#routes) {
      if (hosts.has(route.host)) await this.#set(route);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of HOST_NAMES) {
      await runProgram("ip", ["netns", "delete", this.#name(host)]);
    }
  }

  #name(host: HostName): string {
    return `${NAMESPACE_PREFIX}${this.lab}-${host}`;
  }

  async #add(host: HostName): Promise<void> {
    await must(["ip", "netns", "add", this.#name(host)]);
    // Before there is a card: each would speak of its own on the wire.
    for (const which of ["all", "default"]) {
      const setting = `net.ipv6.conf.${which}.disable_ipv6=1`;
      await this.run(host, "sysctl", "-qw", setting);
    }
    await this.run(host, "ip", "link", "set", "lo", "up");
  }

  async #wire({ ends, mtu }: Cable): Promise<void> {
    const [one, other] = ends;
    await must([
      ...["ip", "link", "add", one.name, "mtu", `${mtu}`],
      ...["netns", this.#name(one.host), "type", "veth"],
      ...["peer", "name", other.name, "mtu", `${mtu}`],
      ...["netns", this.#name(other.host)],
    ]);
    for (const { host, name, address } of ends) {
      if (address) {
        await this.run(host, "ip", "address", "add", address, "dev", name);
      }
      await this.run(host, "ip", "link", "set", name, "up");
    }
  }
}

async function must(command: readonly string[], input = ""): Promise<string> {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await runProgram(program, args, { input });
  if (code === 0) return stdout;
  throw new Error(`${command.join(" ")}: ${stderr.trim() || `code ${code}`}`);
}
