/** Which stacks an environment has, and what one has of another. */
import { Annotations, type App } from "cdktf";
import type { Environment, VpnConnection } from "../config/environment";
import { namesOf } from "../config/names";
import { FoundationStack } from "./foundation-stack";
import { VpnNodeStack } from "./vpn-node-stack";

export function addStacks(app: App, environment: Environment): void {
  const names = namesOf(environment.name);
  const { connection } = environment;
  const foundation = new FoundationStack(
    app,
    names.stacks.foundation,
    environment,
  );
  if (connection.mode === "vpn") {
    addVpnNode(app, { environment, connection, foundation });
  }
}

function addVpnNode(
  app: App,
  {
    environment,
    connection,
    foundation,
  }: {
    environment: Environment;
    connection: VpnConnection;
    foundation: FoundationStack;
  },
): void {
  const { node, server } = connection;
  if (!node.publicKey || !server.publicKey) {
    Annotations.of(foundation).addWarning(
      `${environment.name} has no WireGuard keys yet, so its VPN is left out: run npm run keys -- ${environment.name}`,
    );
    return;
  }
  // The address of a server of the kit's own is the worker stack's to give.
  if (server.kind === "own") return;
  new VpnNodeStack(app, namesOf(environment.name).stacks.vpnNode, {
    environment,
    connection,
    foundation,
    publicKey: node.publicKey,
    server: {
      host: server.endpoint,
      port: server.port,
      publicKey: server.publicKey,
    },
  });
}
