/**
 * The way to both servers, as the settings describe it: every connection is
 * made anew, with a fresh password and a fresh name look-up, and closed with
 * this object at the latest.
 */
import type { Client, ClientConfig } from "pg";
import type { Settings } from "../settings/settings";
import { VALUE_SESSION_OPTIONS } from "../source/session";
import { connect, connectionConfig } from "./connect";
import { liftSessionTimeouts } from "./session-timeouts";
import { openTunnel, type Tunnel } from "./tunnel";

const DESTINATION_OPTIONS = [
  "TimeZone=UTC",
  // The types of the columns of `changes` are compared by their names.
  "quote_all_identifiers=off",
  "statement_timeout=0",
  "lock_timeout=0",
  // A frozen worker's transaction must not hold the watermark for ever.
  "idle_in_transaction_session_timeout=60000",
]
  .map((setting) => `-c ${setting}`)
  .join(" ");

export class Servers implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #applicationName: string;
  readonly #signal: AbortSignal;
  readonly #clients = new Set<Client>();
  #tunnel: Promise<Tunnel> | undefined;

  /** `signal` ends the opening of an SSH tunnel, not an open one. */
  constructor(
    settings: Settings,
    details: { readonly applicationName: string; readonly signal: AbortSignal },
  ) {
    this.#settings = settings;
    this.#applicationName = details.applicationName;
    this.#signal = details.signal;
  }

  /** For a connection that is made elsewhere: the replication stream's. */
  async sourceConfig(): Promise<ClientConfig> {
    return connectionConfig(this.#settings.source, {
      applicationName: this.#applicationName,
      options: VALUE_SESSION_OPTIONS,
      ...(await this.#throughTunnel()),
    });
  }

  async connectSource(): Promise<Client> {
    const config = await this.sourceConfig();
    return this.#ready(await connect(this.#settings.source, config));
  }

  async connectDestination(): Promise<Client> {
    const { destination, destinationIsSource } = this.#settings;
    const config = await connectionConfig(destination, {
      applicationName: this.#applicationName,
      options: DESTINATION_OPTIONS,
      ...(destinationIsSource ? await this.#throughTunnel() : {}),
    });
    return this.#ready(await connect(destination, config));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#clients].map((client) => client.end()));
    const tunnel = await this.#tunnel?.catch(() => undefined);
    await tunnel?.[Symbol.asyncDispose]();
  }

  /** Opened by the first that needs it, shared by all. */
  async #throughTunnel(): Promise<{ tunnel?: Tunnel }> {
    const { ssh } = this.#settings;
    if (!ssh) return {};
    this.#tunnel ??= openTunnel(ssh, this.#signal);
    return { tunnel: await this.#tunnel };
  }

  async #ready(client: Client): Promise<Client> {
    this.#clients.add(client);
    client.once("end", () => this.#clients.delete(client));
    await liftSessionTimeouts(client);
    return client;
  }
}
