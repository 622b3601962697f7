/** Everything of the worker's side: network, destination, worker, alarms. */
import { Fn, type ITerraformDependable, Op, TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { Environment, WorkerEnvironment } from "../config/environment";
import { METRIC_NAMESPACES, type Names, namesOf } from "../config/names";
import { slotLimitMib } from "../config/slot-limit";
import { TUNNEL_PORT } from "../config/tunnel";
import { AuditDatabase } from "../constructs/audit-database";
import { FargateWorker, type WorkerTask } from "../constructs/fargate-worker";
import { WorkerAlarms } from "../constructs/worker-alarms";
import { WorkerDashboard } from "../constructs/worker-dashboard";
import { WorkerEvents } from "../constructs/worker-events";
import type { WorkerNetwork } from "../constructs/worker-network";
import { WorkerSecurityGroup } from "../constructs/worker-security-group";
import { EnvironmentStack } from "./environment-stack";
import type { FoundationStack } from "./foundation-stack";
import { VpnServer } from "./vpn-server";
import {
  destinationEgress,
  type EgressRules,
  sourceEgress,
} from "./worker-egress";
import { addWorkerNetwork } from "./worker-network";
import {
  type DestinationEndpoint,
  HEALTH_PORT,
  type Shard,
  type WorkerVariables,
  workerVariablesOf,
} from "./worker-variables";

type AuroraDestination = Extract<
  Environment["destination"],
  { kind: "aurora" }
>;

export interface WorkerStackProps {
  readonly environment: Environment;
  /** Of the environment, which has one. */
  readonly worker: WorkerEnvironment;
  readonly foundation: FoundationStack;
}

export class WorkerStack extends EnvironmentStack {
  readonly network: WorkerNetwork;
  /** Of the tasks. */
  readonly securityGroup: WorkerSecurityGroup;
  readonly worker: FargateWorker;
  /** Of a VPN of the kit's own, once there are keys. */
  readonly vpnServer: VpnServer | undefined;
  readonly #props: WorkerStackProps;
  readonly #names: Names;
  /** A cluster answers nobody before its writer is there. */
  #destinationReady: readonly ITerraformDependable[] = [];

  constructor(scope: Construct, id: string, props: WorkerStackProps) {
    const { environment, worker, foundation } = props;
    super(scope, id, { environment, account: worker.account });
    this.#props = props;
    this.#names = namesOf(environment.name);

    this.network = addWorkerNetwork(this, worker, {
      names: this.#names,
      kmsKeyArn: foundation.kmsKeyArn,
    });
    this.securityGroup = new WorkerSecurityGroup(this, "security-group", {
      name: this.#names.prefix,
      vpcId: this.network.vpcId,
    });
    this.vpnServer = this.#addVpnServer();
    const destination = this.#addDestination();
    this.#allow(sourceEgress(environment));
    const slots = slotsOf(props, destination);
    this.worker = this.#addWorker(slots);
    this.#refuseUnfinished();
    this.#addAlarms(slots);
    this.#addOutputs(destination);
  }

  #addVpnServer(): VpnServer | undefined {
    const { environment, worker, foundation } = this.#props;
    const { connection } = environment;
    if (connection.mode !== "vpn") return undefined;
    const { node, server } = connection;
    if (server.kind !== "own" || !server.publicKey || !node.publicKey) {
      return undefined;
    }
    return new VpnServer(this, "vpn-server", {
      environment,
      connection,
      server,
      nodePublicKey: node.publicKey,
      account: worker.account,
      vpcId: this.network.vpcId,
      publicSubnetId: given(
        this.network.publicSubnetId,
        "a public subnet for the VPN server",
      ),
      workerCidr: this.network.cidr,
      workerSecurityGroupId: this.securityGroup.securityGroup.id,
      routeTableIds: this.network.privateRouteTableIds,
      kmsKeyArn: foundation.kmsKeyArn,
      alertTopicArn: foundation.alertTopicArn,
      secret: given(foundation.secrets.vpnServer, "the VPN server's secret"),
      logRetentionDays: worker.logRetentionDays,
      wayOut: this.network.wayOut ?? [],
    });
  }

  #addDestination(): DestinationEndpoint {
    const { destination } = this.environment;
    if (destination.kind === "aurora") return this.#addDatabase(destination);
    this.#allow(destinationEgress(destination));
    return {
      host: destination.host,
      port: String(destination.port),
      database: destination.database,
      user: destination.user,
      secretArn: given(
        this.#props.foundation.secrets.destination,
        "the destination's secret",
      ).arn,
    };
  }

  /** The worker writes as its administrator, whose password only RDS knows. */
  #addDatabase(destination: AuroraDestination): DestinationEndpoint {
    const { worker, foundation } = this.#props;
    const name = this.#names.auditDatabase;
    const database = new AuditDatabase(this, "audit-database", {
      name,
      accountId: worker.account.id,
      region: worker.account.region,
      vpcId: this.network.vpcId,
      subnetIds: this.network.privateSubnetIds,
      clientSecurityGroupIds: [this.securityGroup.securityGroup.id],
      kmsKeyArn: foundation.kmsKeyArn,
      engineVersion: destination.engineVersion,
      minCapacityAcu: destination.minCapacityAcu,
      maxCapacityAcu: destination.maxCapacityAcu,
      backupRetentionDays: destination.backupRetentionDays,
      deletionProtection: destination.deletionProtection,
      readers: destination.readers,
      finalSnapshotIdentifier: `${name}-${destination.finalSnapshotSuffix}`,
      logRetentionDays: worker.logRetentionDays,
      alarmTopicArn: foundation.alertTopicArn,
    });
    this.#allow(
      destinationEgress({
        host: database.endpoint,
        port: database.port,
        securityGroupId: database.securityGroupId,
      }),
    );
    this.#destinationReady = database.instances.slice(0, 1);
    return {
      host: database.endpoint,
      port: String(database.port),
      database: database.databaseName,
      user: database.masterUsername,
      secretArn: database.masterSecretArn,
    };
  }

  #addWorker(slots: readonly Slot[]): FargateWorker {
    const { worker, foundation } = this.#props;
    const { account } = worker;
    return new FargateWorker(this, "worker", {
      name: this.#names.cluster,
      region: account.region,
      accountId: account.id,
      kmsKeyArn: foundation.kmsKeyArn,
      image: `${foundation.repositoryUrl}@${worker.imageDigest ?? NO_IMAGE}`,
      repositoryArn: foundation.repositoryArn,
      cpuUnits: worker.cpu,
      memoryMib: worker.memoryMib,
      architecture: worker.architecture,
      subnetIds: this.network.privateSubnetIds,
      securityGroup: this.securityGroup,
      logGroupName: this.#names.logGroups.worker,
      logRetentionDays: worker.logRetentionDays,
      healthPort: HEALTH_PORT,
      tasks: slots.map(({ id, serviceName, variables }): WorkerTask => {
        return { id, name: serviceName, ...variables };
      }),
      dependsOn: [...(this.network.wayOut ?? []), ...this.#destinationReady],
    });
  }

  /**
   * The foundation has to be deployed before there can be an image and keys, so
   * an environment without them synthesizes. This stack alone is refused, with
   * what to run, and before anything of it is made.
   */
  #refuseUnfinished(): void {
    const { environment, worker, foundation } = this.#props;
    const { name, connection } = environment;
    const problems: string[] = [];
    if (!worker.imageDigest) {
      problems.push(
        `There is no image of the worker yet: run npm run image -- ${name}`,
      );
    }
    const lacksKeys =
      (connection.mode === "ssh" && !connection.publicKey) ||
      (connection.mode === "vpn" && !this.vpnServer);
    if (lacksKeys) {
      problems.push(`There are no keys yet: run npm run keys -- ${name}`);
    }
    if (problems.length === 0) return;
    // Terraform wants a condition to be about something; this is never true.
    const condition = Op.lt(Fn.lengthOf(foundation.repositoryArn), 1);
    this.worker.cluster.lifecycle = {
      precondition: problems.map((errorMessage) => ({
        condition,
        errorMessage: `${errorMessage}.`,
      })),
    };
  }

  #addAlarms(slots: readonly Slot[]): void {
    const { environment, worker, foundation } = this.#props;
    const { prefix, cluster } = this.#names;
    const watched = {
      namespace: METRIC_NAMESPACES.worker,
      environment: environment.name,
      clusterName: cluster,
      logGroupName: this.worker.logGroup.name,
      workers: slots,
      lagSeconds: environment.alerts.lagSeconds,
      // Half of what the source may keep: time to act before the slot is lost.
      slotRetainedBytes: (slotLimitMib(environment) / 2) * 1024 * 1024,
    };
    const alarms = new WorkerAlarms(this, "alarms", {
      ...watched,
      name: prefix,
      topicArn: foundation.alertTopicArn,
    });
    new WorkerEvents(this, "events", {
      name: prefix,
      topicArn: foundation.alertTopicArn,
      clusterArn: this.worker.cluster.arn,
      serviceArns: this.worker.services.map(({ service }) => service.id),
    });
    new WorkerDashboard(this, "dashboard", {
      ...watched,
      name: prefix,
      region: worker.account.region,
      alarmArns: [
        alarms.down.arn,
        alarms.operatorNeeded.alarm.arn,
        alarms.errors.alarm.arn,
        ...[...alarms.alarms.values()].map(({ arn }) => arn),
      ],
    });
  }

  #addOutputs({ host, port }: DestinationEndpoint): void {
    const { connection } = this.environment;
    this.#output(
      "worker_static_ips",
      this.network.staticIps,
      "Addresses that the worker comes from, to be let in elsewhere.",
    );
    this.#output(
      "destination_endpoint",
      `${host}:${port}`,
      "Where the table changes is.",
    );
    if (connection.mode === "vpn" && this.vpnServer) {
      this.#output(
        "vpn_server_endpoint",
        `${this.vpnServer.address}:${TUNNEL_PORT}`,
        "Where the VPN node dials, by UDP.",
      );
      this.#output(
        "vpn_server_public_key",
        connection.server.publicKey,
        "WireGuard public key of the VPN server.",
      );
    }
    if (connection.mode !== "ssh" || !connection.publicKey) return;
    this.#output(
      "ssh_public_key",
      connection.publicKey,
      "The worker's key, for the jump host.",
    );
    this.#output(
      "ssh_authorized_keys",
      [
        "touch ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys",
        `echo '${connection.publicKey}' >> ~/.ssh/authorized_keys`,
      ].join("\n"),
      `To be run as ${connection.user} at the jump host.`,
    );
  }

  #output(id: string, value: unknown, description: string): void {
    new TerraformOutput(this, id, { value, description, staticId: true });
  }

  #allow(rules: EgressRules): void {
    for (const [id, egress] of Object.entries(rules)) {
      this.securityGroup.allow(id, egress);
    }
  }
}

/** Stands where the digest will; such a stack is never deployed. */
const NO_IMAGE = `sha256:${"0".repeat(64)}`;

/** One replication slot with its worker. */
interface Slot {
  /** Construct id; not the slot's name, which a setting can change. */
  readonly id: string;
  readonly slotName: string;
  readonly serviceName: string;
  readonly variables: WorkerVariables;
}

function slotsOf(
  { environment, worker, foundation }: WorkerStackProps,
  destination: DestinationEndpoint,
): Slot[] {
  const { service } = namesOf(environment.name);
  const shards: (Shard | undefined)[] =
    worker.shards.length > 0 ? worker.shards : [undefined];
  return shards.map((shard) => {
    const variables = workerVariablesOf(environment, shard, {
      destination,
      secrets: {
        source: given(foundation.secrets.source, "the source's secret").arn,
        ssh: foundation.secrets.ssh?.arn,
      },
    });
    return {
      id: shard ? `shard-${shard.name}` : "all",
      slotName: variables.environment.SLOT_NAME ?? "",
      serviceName: shard ? `${service}-${shard.name}` : service,
      variables,
    };
  });
}

/** The rules of an environment file, or the foundation, have seen to it. */
function given<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}
