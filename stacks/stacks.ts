/** Which stacks an environment has, and what one has of another. */
import { Annotations, type App } from "cdktf";
import type { Environment, VpnConnection } from "../config/environment";
import { type Names, namesOf } from "../config/names";
import { TUNNEL_PORT } from "../config/tunnel";
import { FoundationStack } from "./foundation-stack";
import { SourceDatabaseStack } from "./source-database-stack";
import { VpnNodeStack } from "./vpn-node-stack";
import { WorkerStack } from "./worker-stack";

export function addStacks(app: App, environment: Environment): void {
  const names = namesOf(environment.name);
  const { connection, source } = environment;
  const foundation = new FoundationStack(
    app,
    names.stacks.foundation,
    environment,
  );
  const worker = addWorker(app, { environment, foundation, names });
  if (connection.mode === "vpn") {
    addVpnNode(app, { environment, connection, foundation, worker, names });
  }
  if (source.rds) {
    new SourceDatabaseStack(app, names.stacks.sourceDatabase, {
      environment,
      rds: source.rds,
      foundation,
    });
  }
}

interface Parts {
  readonly environment: Environment;
  readonly foundation: FoundationStack;
  readonly names: Names;
}

function addWorker(
  app: App,
  { environment, foundation, names }: Parts,
): WorkerStack | undefined {
  const { worker } = environment;
  if (!worker) return undefined;
  return new WorkerStack(app, names.stacks.worker, {
    environment,
    worker,
    foundation,
  });
}

/** After the worker's stack, and never before it: a new node changes no other. */
function addVpnNode(
  app: App,
  {
    environment,
    connection,
    foundation,
    worker,
    names,
  }: Parts & {
    readonly connection: VpnConnection;
    readonly worker: WorkerStack | undefined;
  },
): void {
  const { node, server } = connection;
  if (!node.publicKey || !server.publicKey) {
    Annotations.of(foundation).addWarning(
      `${environment.name} has no WireGuard keys yet, so its VPN is left out: run npm run keys -- ${environment.name}`,
    );
    return;
  }
  const endpoint =
    server.kind === "foreign"
      ? { host: server.endpoint, port: server.port }
      : worker?.vpnServer && {
          host: worker.vpnServer.address,
          port: TUNNEL_PORT,
        };
  if (!endpoint) throw new Error("a VPN node without a server to dial");
  new VpnNodeStack(app, names.stacks.vpnNode, {
    environment,
    connection,
    foundation,
    publicKey: node.publicKey,
    server: { ...endpoint, publicKey: server.publicKey },
  });
}
