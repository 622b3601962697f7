/** What a WireGuard host is made of, and what follows from it. */
import type { ITerraformDependable } from "cdktf";
import { nodeRules, type SecurityRule, serverRules } from "./wireguard-rules";
import {
  renderNodeUserData,
  renderServerUserData,
} from "./wireguard-user-data";

export interface WireGuardHostProps {
  /** Name of the environment; a dimension of the metrics. */
  readonly environment: string;
  /** Name of everything here: `bemi-prod-vpn-node`. */
  readonly name: string;
  /** That of the provider. */
  readonly region: string;
  readonly vpcId: string;
  /** Of the node a private one, of the server a public one. */
  readonly subnetId: string;
  readonly instanceType: string;
  readonly architecture: "arm64" | "x86_64";
  /** @default - The newest Amazon Linux 2023 when the instance is made. */
  readonly amiId?: string;
  /** Raised to replace the instance, for a newer image. */
  readonly generation: number;
  /** Encrypts volume, log and secret. */
  readonly kmsKeyArn: string;
  readonly secret: { readonly name: string; readonly arn: string };
  readonly logGroupName: string;
  /** @default 365 */
  readonly logRetentionDays?: number;
  readonly metricNamespace: string;
  /** SNS topic in the same account and region. */
  readonly alertTopicArn: string;
  /** Lets AWS Systems Manager open sessions. @default false */
  readonly sessionManager?: boolean;
  /** Addresses inside the tunnel. */
  readonly tunnel: { readonly server: string; readonly node: string };
  /** WireGuard public key of the other end. */
  readonly peerPublicKey: string;
  /** How the node carries on: packets (`nat`) or connections (`proxy`). */
  readonly forwarding: "nat" | "proxy";
  readonly databaseCidrs: readonly string[];
  readonly databasePort: number;
  readonly end: NodeEnd | ServerEnd;
  /**
   * What has to be there first: an Elastic IP is refused in a VPC without an
   * internet gateway.
   * @default - It is all there.
   */
  readonly wayOut?: readonly ITerraformDependable[];
}

export interface NodeEnd {
  readonly kind: "node";
  readonly serverHost: string;
  /** UDP. */
  readonly serverPort: number;
  readonly databaseHost: string;
  /** Opened for the node. @default - Left to whoever owns the database. */
  readonly databaseSecurityGroupId?: string;
  /** Opens port 22. @default - Closed. */
  readonly ssh?: {
    readonly keyName: string;
    readonly cidrs: readonly string[];
  };
}

export interface ServerEnd {
  readonly kind: "server";
  /** UDP. */
  readonly listenPort: number;
  /** From where the node dials. */
  readonly allowedCidrs: readonly string[];
  /** Of the worker: where its packets come from. */
  readonly workerCidrs: readonly string[];
  readonly workerSecurityGroupId: string;
  /** Refuses every plan that gives the address up. */
  readonly keepAddress: boolean;
}

export function rulesOf({
  end,
  databaseCidrs,
  databasePort,
}: WireGuardHostProps): SecurityRule[] {
  return end.kind === "node"
    ? nodeRules({
        ...end,
        databaseCidrs,
        databasePort,
        sshCidrs: end.ssh?.cidrs ?? [],
      })
    : serverRules({ ...end, databasePort });
}

export function userDataOf(props: WireGuardHostProps): string {
  const { end } = props;
  const settings = {
    environment: props.environment,
    region: props.region,
    secretName: props.secret.name,
    logGroupName: props.logGroupName,
    logStreamName: end.kind,
    metricNamespace: props.metricNamespace,
    generation: props.generation,
    serverAddress: props.tunnel.server,
    nodeAddress: props.tunnel.node,
    peerPublicKey: props.peerPublicKey,
    forwarding: props.forwarding,
    databaseCidrs: props.databaseCidrs,
    databasePort: props.databasePort,
  };
  return end.kind === "node"
    ? renderNodeUserData({
        ...settings,
        serverHost: end.serverHost,
        serverPort: end.serverPort,
        databaseHost: end.databaseHost,
        sshCidrs: end.ssh?.cidrs ?? [],
      })
    : renderServerUserData({
        ...settings,
        listenPort: end.listenPort,
        workerCidrs: end.workerCidrs,
      });
}
