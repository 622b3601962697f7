/**
 * Names that several parts have to agree on: the stacks make what they belong
 * to, the scripts find it by them. All begin with the environment, so that
 * several environments share an account.
 */
export interface Names {
  /** In front of every resource's name. */
  readonly prefix: string;
  readonly stacks: {
    readonly foundation: string;
    readonly vpnNode: string;
    readonly sourceDatabase: string;
    readonly worker: string;
  };
  /**
   * Of Secrets Manager; the values are never in Terraform. None may end in a
   * hyphen and six characters ("-server"): AWS takes that for the end of an ARN.
   */
  readonly secrets: {
    /** `{"privateKey","publicKey","createdAt"}` of each end of the tunnel. */
    readonly vpnNode: string;
    readonly vpnServer: string;
    /** The same of the SSH key. */
    readonly ssh: string;
    /** `{"username","password"}` of the worker's role at the source. */
    readonly source: string;
    /** The same at a destination that was there before. */
    readonly destination: string;
  };
  /** Of the image's repository. */
  readonly repository: string;
  /** Of RDS: the cluster that the kit makes for the trail. */
  readonly auditDatabase: string;
  /** Of ECS. */
  readonly cluster: string;
  /** Of ECS, and family of its tasks; with shards `-<shard>` follows. */
  readonly service: string;
  /** CloudWatch Logs. */
  readonly logGroups: {
    readonly worker: string;
    /** Flow log of the worker's VPC. */
    readonly network: string;
    readonly vpnServer: string;
    readonly vpnNode: string;
  };
  /** Of all log groups that are encrypted with the environment's key. */
  readonly logGroupPatterns: readonly string[];
}

export function namesOf(environment: string): Names {
  const secret = (what: string) => `bemi/${environment}/${what}`;
  const logGroup = (what: string) => `/bemi/${environment}/${what}`;
  return {
    prefix: `bemi-${environment}`,
    stacks: {
      foundation: `${environment}-foundation`,
      vpnNode: `${environment}-vpn-node`,
      sourceDatabase: `${environment}-source-database`,
      worker: `${environment}-worker`,
    },
    secrets: {
      vpnNode: secret("wireguard/node"),
      vpnServer: secret("wireguard/server"),
      ssh: secret("ssh"),
      source: secret("source"),
      destination: secret("destination"),
    },
    repository: `bemi-${environment}-worker`,
    auditDatabase: `bemi-${environment}-audit`,
    cluster: `bemi-${environment}`,
    service: `bemi-${environment}-worker`,
    logGroups: {
      worker: logGroup("worker"),
      network: logGroup("network"),
      vpnServer: logGroup("vpn-server"),
      vpnNode: logGroup("vpn-node"),
    },
    logGroupPatterns: [
      logGroup("*"),
      // RDS puts a cluster's log there, and asks nobody for the name.
      `/aws/rds/cluster/bemi-${environment}*`,
    ],
  };
}

/** CloudWatch namespaces of metrics that are not AWS's own. */
export const METRIC_NAMESPACES = {
  worker: "Bemi/Worker",
  vpn: "Bemi/Vpn",
} as const;
