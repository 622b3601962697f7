/** A server in another network namespace; root alone can start one there. */
import type { ServerSettings } from "./data-folder";
import type { Owner } from "./unprivileged-owner";

export interface ClusterPlace {
  /** What goes before a command to run it there; it becomes the command. */
  readonly enter: readonly string[];
  readonly port: number;
}

/** Only root may enter; the server's user takes over there. */
export function commandAt(
  { enter }: ClusterPlace,
  { uid, gid }: Owner,
): readonly string[] {
  if (uid === undefined || gid === undefined) {
    throw new Error("Only root can start a server in another network.");
  }
  return [
    ...enter,
    ...["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"],
    // Nothing else ends it when this process is killed.
    ...["--pdeathsig=QUIT", "--"],
  ];
}

/** @param folder - of the socket, which clients of every network reach */
export function placedSettings(folder: string): ServerSettings {
  return { listen_addresses: "*", unix_socket_directories: folder };
}
