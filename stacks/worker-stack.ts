/** Everything of the worker's side: network, destination, worker, alarms. */
import { Fn, type ITerraformDependable, Op, TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { Environment, WorkerEnvironment } from "../config/environment";
import { METRIC_NAMESPACES, type Names, namesOf } from "../config/names";
import { slotLimitMib } from "../config/slot-limit";
import { TUNNEL_PORT } from "../config/tunnel";
import { FargateWorker, type WorkerTask } from "../constructs/fargate-worker";
import { WorkerAlarms } from "../constructs/worker-alarms";
import { WorkerDashboard } from "../constructs/worker-dashboard";
import { WorkerEvents } from "../constructs/worker-events";
import type { WorkerNetwork } from "../constructs/worker-network";
import { WorkerSecurityGroup } from "../constructs/worker-security-group";
import { EnvironmentStack } from "./environment-stack";
import type { FoundationStack } from "./foundation-stack";
import { given } from "./given";
import { VpnServer } from "./vpn-server";
import { addDestination } from "./worker-destination";
import { type EgressRules, sourceEgress } from "./worker-egress";
import { addWorkerNetwork } from "./worker-network";
import { type WorkerSlot, workerSlotsOf } from "./worker-slots";
import { type DestinationEndpoint, HEALTH_PORT } from "./worker-variables";

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
    const { endpoint, egress, ready } = addDestination(this, {
      ...props,
      network: this.network,
      clientSecurityGroupId: this.securityGroup.securityGroup.id,
    });
    this.#allow({ ...sourceEgress(environment), ...egress });
    const slots = workerSlotsOf(environment, endpoint, foundation.secrets);
    this.worker = this.#addWorker(slots, [
      ...(this.network.wayOut ?? []),
      ...ready,
    ]);
    this.#refuseUnfinished();
    this.#addAlarms(slots);
    this.#addOutputs(endpoint);
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

  #addWorker(
    slots: readonly WorkerSlot[],
    dependsOn: readonly ITerraformDependable[],
  ): FargateWorker {
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
      dependsOn,
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

  #addAlarms(slots: readonly WorkerSlot[]): void {
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
