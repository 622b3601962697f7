/** Names in a lab: one file of hosts, which every host has as its own. */
import { writeFile } from "node:fs/promises";

/** For which there is a certificate. */
export const DATABASE_NAME = "db.example.test";
export const SERVER_NAME = "vpn.example.test";
export const DESTINATION_NAME = "audit.example.test";

export class Names {
  readonly #addresses = new Map<string, string>();

  constructor(readonly hostsFile: string) {}

  /** From the next look-up on. Written in place: the hosts hold the file. */
  async set(name: string, address: string): Promise<void> {
    this.#addresses.set(name, address);
    const lines = [...this.#addresses].map(([one, at]) => `${at} ${one}\n`);
    await writeFile(this.hostsFile, `127.0.0.1 localhost\n${lines.join("")}`);
  }
}
