/** Which key pairs an environment has: what its connection needs, no more. */
import type { Account, Environment } from "../../config/environment";
import { namesOf } from "../../config/names";
import type { FieldChange } from "../environment-file";
import type { KeyKind } from "./key-pair";
import { sshKey } from "./ssh-key";
import { wireguardKey } from "./wireguard-key";

export const KEY_NAMES = ["node", "server", "ssh"] as const;

export type KeyName = (typeof KEY_NAMES)[number];

export interface NeededKey {
  readonly name: KeyName;
  readonly kind: KeyKind;
  readonly secretName: string;
  readonly account: Account;
  /** The public half in the environment's file. */
  readonly path: FieldChange["path"];
  readonly inFile: string | undefined;
}

export function neededKeys(environment: Environment): NeededKey[] {
  const { connection, source, worker } = environment;
  const { secrets } = namesOf(environment.name);
  const home = worker?.account ?? source.account;
  if (connection.mode === "ssh") {
    return [
      {
        name: "ssh",
        kind: sshKey,
        secretName: secrets.ssh,
        account: home,
        path: ["connection", "publicKey"],
        inFile: connection.publicKey,
      },
    ];
  }
  if (connection.mode !== "vpn") return [];
  const { node, server } = connection;
  const keys: NeededKey[] = [
    {
      name: "node",
      kind: wireguardKey,
      secretName: secrets.vpnNode,
      // Its host reads it, in the database's account and region.
      account: source.account,
      path: ["connection", "node", "publicKey"],
      inFile: node.publicKey,
    },
  ];
  if (server.kind === "foreign") return keys;
  return [
    ...keys,
    {
      name: "server",
      kind: wireguardKey,
      secretName: secrets.vpnServer,
      account: home,
      path: ["connection", "server", "publicKey"],
      inFile: server.publicKey,
    },
  ];
}

/** What the file has to have besides, when `server` was left to its default. */
export function fieldsOf(
  { path }: NeededKey,
  publicKey: string,
): FieldChange[] {
  const change = { path, value: publicKey };
  if (path[1] !== "server") return [change];
  return [{ path: ["connection", "server", "kind"], value: "own" }, change];
}
