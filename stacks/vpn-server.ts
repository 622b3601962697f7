/** The tunnel's end in the worker's VPC, and the routes that lead into it. */
import { Route } from "@cdktf/provider-aws/lib/route";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import type {
  Account,
  Environment,
  VpnConnection,
} from "../config/environment";
import { METRIC_NAMESPACES, namesOf } from "../config/names";
import { TUNNEL_PORT, tunnelAddresses } from "../config/tunnel";
import { WireGuardHost } from "../constructs/wireguard-host";
import type { SecretReference } from "./foundation-stack";

export interface VpnServerProps {
  readonly environment: Environment;
  readonly connection: VpnConnection;
  readonly server: Extract<VpnConnection["server"], { kind: "own" }>;
  /** Public key of the VPN node. */
  readonly nodePublicKey: string;
  readonly account: Account;
  readonly vpcId: string;
  readonly publicSubnetId: string;
  /** CIDR of the worker's VPC. */
  readonly workerCidr: string;
  readonly workerSecurityGroupId: string;
  /** Route tables of the worker's subnets, by a name that stays. */
  readonly routeTableIds: Readonly<Record<string, string>>;
  readonly kmsKeyArn: string;
  readonly alertTopicArn: string;
  readonly secret: SecretReference;
  /** @default 365 */
  readonly logRetentionDays?: number;
  /**
   * What has to be there before anything reaches the internet.
   * @default - It is all there.
   */
  readonly wayOut?: readonly ITerraformDependable[];
}

export class VpnServer extends Construct {
  readonly host: WireGuardHost;
  readonly routes: readonly Route[];
  /** IPv4 address that the node dials; it outlives the instance. */
  readonly address: string;

  constructor(scope: Construct, id: string, props: VpnServerProps) {
    super(scope, id);
    const { environment, connection, server } = props;
    const names = namesOf(environment.name);
    const { source } = environment;
    this.host = new WireGuardHost(this, "host", {
      environment: environment.name,
      name: `${names.prefix}-vpn-server`,
      region: props.account.region,
      vpcId: props.vpcId,
      subnetId: props.publicSubnetId,
      instanceType: server.instanceType,
      architecture: server.architecture,
      ...(server.amiId ? { amiId: server.amiId } : {}),
      generation: server.generation,
      kmsKeyArn: props.kmsKeyArn,
      secret: props.secret,
      logGroupName: names.logGroups.vpnServer,
      ...(props.logRetentionDays
        ? { logRetentionDays: props.logRetentionDays }
        : {}),
      metricNamespace: METRIC_NAMESPACES.vpn,
      alertTopicArn: props.alertTopicArn,
      tunnel: tunnelAddresses(connection),
      peerPublicKey: props.nodePublicKey,
      forwarding: connection.node.forwarding,
      databaseCidrs: source.subnetCidrs ?? [],
      databasePort: source.port,
      end: {
        kind: "server",
        listenPort: TUNNEL_PORT,
        allowedCidrs: server.allowedCidrs,
        workerCidrs: [props.workerCidr],
        workerSecurityGroupId: props.workerSecurityGroupId,
        // Whoever gives up the trail's protection gives up the rest as well.
        keepAddress:
          environment.destination.kind === "aurora" &&
          environment.destination.deletionProtection,
      },
      wayOut: props.wayOut ?? [],
    });
    if (!this.host.address) throw new Error("a VPN server without an address");
    this.address = this.host.address.publicIp;
    this.routes = this.#addRoutes(props);
  }

  /** What is not routed into the tunnel would go to the internet. */
  #addRoutes(props: VpnServerProps): Route[] {
    const { connection, environment } = props;
    const targets =
      connection.node.forwarding === "proxy"
        ? [`${tunnelAddresses(connection).node}/32`]
        : (environment.source.subnetCidrs ?? []);
    return Object.entries(props.routeTableIds).flatMap(([name, routeTableId]) =>
      targets.map(
        (cidr) =>
          new Route(this, `route-${name}-${cidr.replace(/[./]/g, "-")}`, {
            routeTableId,
            destinationCidrBlock: cidr,
            networkInterfaceId: this.host.instance.primaryNetworkInterfaceId,
          }),
      ),
    );
  }
}
