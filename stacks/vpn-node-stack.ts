/** The tunnel's end in the database's VPC, in the source's account and region. */
import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { Environment, VpnConnection } from "../config/environment";
import { METRIC_NAMESPACES, namesOf } from "../config/names";
import { tunnelAddresses } from "../config/tunnel";
import { WireGuardHost } from "../constructs/wireguard-host";
import { EnvironmentStack } from "./environment-stack";
import type { FoundationStack } from "./foundation-stack";
import { given } from "./given";

export interface VpnNodeStackProps {
  readonly environment: Environment;
  readonly connection: VpnConnection;
  readonly foundation: FoundationStack;
  /** WireGuard public key of the node. */
  readonly publicKey: string;
  readonly server: {
    /** Name, or address. */
    readonly host: string;
    /** UDP. */
    readonly port: number;
    readonly publicKey: string;
  };
}

export class VpnNodeStack extends EnvironmentStack {
  readonly host: WireGuardHost;

  constructor(scope: Construct, id: string, props: VpnNodeStackProps) {
    const { environment } = props;
    super(scope, id, { environment, account: environment.source.account });
    this.host = this.#createNode(props);
    // Of the environment file, not of the instance: it is known before there is
    // one, and does not change with it.
    this.#output("wireguard_public_key", props.publicKey);
    this.#output("vpn_node_private_ip", this.host.instance.privateIp);
  }

  #createNode({
    environment,
    connection,
    foundation,
    server,
  }: VpnNodeStackProps): WireGuardHost {
    const { source, worker } = environment;
    const { node } = connection;
    const names = namesOf(environment.name);
    return new WireGuardHost(this, "node", {
      environment: environment.name,
      name: `${names.prefix}-vpn-node`,
      region: source.account.region,
      vpcId: given(source.vpcId, "source.vpcId"),
      subnetId: node.subnetId,
      instanceType: node.instanceType,
      architecture: node.architecture,
      ...(node.amiId ? { amiId: node.amiId } : {}),
      generation: node.generation,
      kmsKeyArn: foundation.sourceKmsKeyArn,
      secret: given(foundation.secrets.vpnNode, "the node's secret"),
      logGroupName: names.logGroups.vpnNode,
      ...(worker ? { logRetentionDays: worker.logRetentionDays } : {}),
      metricNamespace: METRIC_NAMESPACES.vpn,
      alertTopicArn: foundation.sourceAlertTopicArn,
      sessionManager: node.sessionManager,
      tunnel: tunnelAddresses(connection),
      peerPublicKey: server.publicKey,
      forwarding: node.forwarding,
      databaseCidrs: given(source.subnetCidrs, "source.subnetCidrs"),
      databasePort: source.port,
      end: {
        kind: "node",
        serverHost: server.host,
        serverPort: server.port,
        databaseHost: source.host,
        ...(source.securityGroupId
          ? { databaseSecurityGroupId: source.securityGroupId }
          : {}),
        ...(node.ssh ? { ssh: node.ssh } : {}),
      },
    });
  }

  #output(name: string, value: string): void {
    new TerraformOutput(this, name, { value, staticId: true });
  }
}
