/** The database that holds the trail: Aurora PostgreSQL, Serverless v2. */
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { DbSubnetGroup } from "@cdktf/provider-aws/lib/db-subnet-group";
import { RdsCluster } from "@cdktf/provider-aws/lib/rds-cluster";
import { RdsClusterInstance } from "@cdktf/provider-aws/lib/rds-cluster-instance";
import { RdsClusterParameterGroup } from "@cdktf/provider-aws/lib/rds-cluster-parameter-group";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";
import { AuditDatabaseAlarms } from "./audit-database-alarms";
import { MonitoringRole } from "./monitoring-role";

export interface AuditDatabaseProps {
  /** Identifier of the cluster, and in front of every other name. */
  readonly name: string;
  readonly accountId: string;
  readonly region: string;
  readonly vpcId: string;
  /** Of two availability zones at least, and without a way in from outside. */
  readonly subnetIds: string[];
  /** Who may connect, and nobody else. */
  readonly clientSecurityGroupIds: readonly string[];
  /** For storage, backups, logs and the administrator's secret. */
  readonly kmsKeyArn: string;
  /** `17`: AWS keeps the minor version up to date. `17.5`: it stays that. */
  readonly engineVersion: string;
  /** Aurora capacity units of about 2 GiB; with 0 it pauses when idle. */
  readonly minCapacityAcu: number;
  readonly maxCapacityAcu: number;
  /** 1 to 35. */
  readonly backupRetentionDays: number;
  /** Also refuses every plan that destroys it. */
  readonly deletionProtection: boolean;
  /** Instances beside the writer, any of which takes its place at a failover. */
  readonly readers: number;
  /**
   * Of the snapshot that a deletion leaves. One of that name must not be there
   * already: a second deletion needs another name.
   * @default - `<name>-final`
   */
  readonly finalSnapshotIdentifier?: string;
  /**
   * Of the server's log.
   * @default 365
   */
  readonly logRetentionDays?: number;
  readonly alarmTopicArn: string;
}

export class AuditDatabase extends Construct {
  readonly cluster: RdsCluster;
  /** The writer and its readers; nobody can connect before the first is there. */
  readonly instances: readonly RdsClusterInstance[];
  readonly securityGroup: SecurityGroup;
  readonly alarms: AuditDatabaseAlarms;
  /** The writer's, whichever instance that is. */
  readonly endpoint: string;
  readonly port = 5432;
  readonly databaseName = "bemi";
  readonly masterUsername = "bemi";
  /** `{"username","password"}`, made by RDS and changed by it every week. */
  readonly masterSecretArn: string;
  readonly securityGroupId: string;

  constructor(scope: Construct, id: string, props: AuditDatabaseProps) {
    super(scope, id);
    this.securityGroup = this.#addSecurityGroup(props);
    this.cluster = this.#addCluster(props);
    this.instances = this.#addInstances(props);
    this.alarms = new AuditDatabaseAlarms(this, "alarms", {
      name: props.name,
      clusterIdentifier: props.name,
      minCapacityAcu: props.minCapacityAcu,
      maxCapacityAcu: props.maxCapacityAcu,
      topicArn: props.alarmTopicArn,
    });
    this.endpoint = this.cluster.endpoint;
    this.masterSecretArn = this.cluster.masterUserSecret.get(0).secretArn;
    this.securityGroupId = this.securityGroup.id;
  }

  /** It is connected to, and never connects. */
  #addSecurityGroup({
    name,
    vpcId,
    clientSecurityGroupIds,
  }: AuditDatabaseProps): SecurityGroup {
    const group = new SecurityGroup(this, "security-group", {
      namePrefix: `${name}-database-`,
      description: "Audit database: PostgreSQL from its clients",
      vpcId,
      tags: { Name: `${name}-database` },
      lifecycle: { createBeforeDestroy: true },
    });
    for (const [index, client] of clientSecurityGroupIds.entries()) {
      new VpcSecurityGroupIngressRule(this, `client-${index}`, {
        securityGroupId: group.id,
        referencedSecurityGroupId: client,
        ipProtocol: "tcp",
        fromPort: this.port,
        toPort: this.port,
        description: "PostgreSQL from a client of the audit database",
      });
    }
    return group;
  }

  #addCluster(props: AuditDatabaseProps): RdsCluster {
    const { name, kmsKeyArn, deletionProtection } = props;
    const subnets = new DbSubnetGroup(this, "subnet-group", {
      name,
      description: "Audit database",
      subnetIds: props.subnetIds,
    });
    return new RdsCluster(this, "cluster", {
      clusterIdentifier: name,
      engine: "aurora-postgresql",
      engineMode: "provisioned",
      engineVersion: props.engineVersion,
      serverlessv2ScalingConfiguration: {
        minCapacity: props.minCapacityAcu,
        maxCapacity: props.maxCapacityAcu,
      },
      databaseName: this.databaseName,
      port: this.port,
      masterUsername: this.masterUsername,
      // RDS makes the password, and Terraform never sees it.
      manageMasterUserPassword: true,
      masterUserSecretKmsKeyId: kmsKeyArn,
      iamDatabaseAuthenticationEnabled: true,
      storageEncrypted: true,
      kmsKeyId: kmsKeyArn,
      dbSubnetGroupName: subnets.name,
      vpcSecurityGroupIds: [this.securityGroup.id],
      dbClusterParameterGroupName: this.#addParameterGroup(props).name,
      backupRetentionPeriod: props.backupRetentionDays,
      copyTagsToSnapshot: true,
      deletionProtection,
      // What a deletion leaves: a snapshot, and the backups for their time.
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: props.finalSnapshotIdentifier ?? `${name}-final`,
      deleteAutomatedBackups: false,
      enabledCloudwatchLogsExports: ["postgresql"],
      databaseInsightsMode: "standard",
      performanceInsightsEnabled: true,
      performanceInsightsKmsKeyId: kmsKeyArn,
      performanceInsightsRetentionPeriod: INSIGHTS_DAYS,
      // A change that waits for the maintenance window is a change in every
      // plan until then; and the worker waits while the database is away.
      applyImmediately: true,
      dependsOn: [this.#addLogGroup(props)],
      // AWS refuses to delete the cluster, but only after its instances.
      lifecycle: { preventDestroy: deletionProtection },
    });
  }

  /** RDS would make it by itself, unencrypted and kept for ever. */
  #addLogGroup({
    name,
    kmsKeyArn,
    logRetentionDays = 365,
  }: AuditDatabaseProps): CloudwatchLogGroup {
    return new CloudwatchLogGroup(this, "log-group", {
      name: `/aws/rds/cluster/${name}/postgresql`,
      retentionInDays: logRetentionDays,
      kmsKeyId: kmsKeyArn,
    });
  }

  #addParameterGroup({
    name,
    engineVersion,
  }: AuditDatabaseProps): RdsClusterParameterGroup {
    const [major] = engineVersion.split(".");
    return new RdsClusterParameterGroup(this, "parameter-group", {
      namePrefix: `${name}-`,
      family: `aurora-postgresql${major}`,
      description:
        "Audit database: TLS alone, and no recorded value in the log",
      parameter: Object.entries(PARAMETERS).map(([parameter, value]) => ({
        name: parameter,
        value,
        applyMethod: "immediate",
      })),
      lifecycle: { createBeforeDestroy: true },
    });
  }

  #addInstances(props: AuditDatabaseProps): RdsClusterInstance[] {
    const { name, kmsKeyArn, engineVersion, readers } = props;
    const monitoring = new MonitoringRole(this, "monitoring", {
      clusterIdentifier: name,
      accountId: props.accountId,
      region: props.region,
    });
    return Array.from({ length: readers + 1 }, (_, index) => {
      return new RdsClusterInstance(this, `instance-${index + 1}`, {
        identifier: `${name}-${index + 1}`,
        clusterIdentifier: this.cluster.id,
        engine: "aurora-postgresql",
        instanceClass: "db.serverless",
        publiclyAccessible: false,
        // Of this tier a reader is as large as the writer, whose place it takes.
        promotionTier: 1,
        caCertIdentifier: "rds-ca-rsa2048-g1",
        // With a minor version in the file AWS's upgrade would be undone, or
        // rather refused, at the next deployment.
        autoMinorVersionUpgrade: !engineVersion.includes("."),
        applyImmediately: true,
        copyTagsToSnapshot: true,
        monitoringInterval: 60,
        monitoringRoleArn: monitoring.role.arn,
        performanceInsightsEnabled: true,
        performanceInsightsKmsKeyId: kmsKeyArn,
        performanceInsightsRetentionPeriod: INSIGHTS_DAYS,
        dependsOn: [monitoring.policy],
      });
    });
  }
}

/** As long as it costs nothing. */
const INSIGHTS_DAYS = 7;

/** All of them dynamic. */
const PARAMETERS = {
  "rds.force_ssl": "1",
  // Who changes the tables of the trail is worth knowing. Other statements, and
  // rows that were refused, hold what was recorded, and the log has more readers.
  log_statement: "ddl",
  log_min_duration_statement: "-1",
  log_error_verbosity: "terse",
} as const;
