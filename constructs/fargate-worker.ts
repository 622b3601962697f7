/**
 * The worker on ECS Fargate: a cluster with one service of one task for each
 * slot, their log, and their roles.
 */
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { EcsCluster } from "@cdktf/provider-aws/lib/ecs-cluster";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import type { SecretValue } from "./worker-container";
import { WorkerRoles } from "./worker-roles";
import type { WorkerSecurityGroup } from "./worker-security-group";
import { WorkerService } from "./worker-service";

export interface FargateWorkerProps {
  /** In front of every name. */
  readonly name: string;
  readonly region: string;
  /** 12 digits. */
  readonly accountId: string;
  /** Encrypts the log and the secrets; lets CloudWatch Logs use it. */
  readonly kmsKeyArn: string;
  /** `<repository>@sha256:…` */
  readonly image: string;
  readonly repositoryArn: string;
  /** 1024 are one processor; Fargate takes certain pairs with memory only. */
  readonly cpuUnits: number;
  readonly memoryMib: number;
  readonly architecture: "arm64" | "x86_64";
  /** With a way to the internet or to AWS's endpoints. */
  readonly subnetIds: string[];
  readonly securityGroup: WorkerSecurityGroup;
  readonly logGroupName: string;
  /** One of those that CloudWatch Logs takes, in days. */
  readonly logRetentionDays: number;
  /** Of `GET /health`, inside the task. */
  readonly healthPort: number;
  readonly tasks: readonly WorkerTask[];
  /**
   * What a task needs beside its group's rules and its role: a way out.
   * @default - nothing
   */
  readonly dependsOn?: readonly ITerraformDependable[];
}

export interface WorkerTask {
  /** Construct id: never to be changed. */
  readonly id: string;
  /** Of the service, and in front of the log's streams. */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, SecretValue>>;
}

/** Cost, list price of us-east-1: 0.5 vCPU and 1 GB on ARM about 14 USD a month. */
export class FargateWorker extends Construct {
  readonly logGroup: CloudwatchLogGroup;
  readonly cluster: EcsCluster;
  readonly roles: WorkerRoles;
  readonly services: readonly WorkerService[];

  constructor(scope: Construct, id: string, props: FargateWorkerProps) {
    super(scope, id);
    const { name, region, tasks, securityGroup } = props;

    this.logGroup = new CloudwatchLogGroup(this, "log-group", {
      name: props.logGroupName,
      retentionInDays: props.logRetentionDays,
      kmsKeyId: props.kmsKeyArn,
    });
    this.cluster = new EcsCluster(this, "cluster", {
      name,
      setting: [{ name: "containerInsights", value: "enhanced" }],
    });
    this.roles = new WorkerRoles(this, "roles", {
      name,
      region,
      accountId: props.accountId,
      repositoryArn: props.repositoryArn,
      logGroupArn: this.logGroup.arn,
      secretArns: secretArnsOf(tasks),
      kmsKeyArn: props.kmsKeyArn,
    });
    const { execution, executionPolicy, task: taskRole } = this.roles;
    this.services = tasks.map(
      (task) =>
        new WorkerService(this, task.id, {
          name: task.name,
          clusterArn: this.cluster.arn,
          cpuUnits: props.cpuUnits,
          memoryMib: props.memoryMib,
          architecture: props.architecture,
          executionRoleArn: execution.arn,
          taskRoleArn: taskRole.arn,
          subnetIds: props.subnetIds,
          securityGroupIds: [securityGroup.securityGroup.id],
          container: {
            image: props.image,
            environment: task.environment,
            secrets: task.secrets,
            healthPort: props.healthPort,
            log: {
              groupName: this.logGroup.name,
              region,
              streamPrefix: task.name,
            },
          },
          dependsOn: [
            executionPolicy,
            ...securityGroup.rules,
            ...(props.dependsOn ?? []),
          ],
        }),
    );
  }
}

function secretArnsOf(tasks: readonly WorkerTask[]): string[] {
  const arns = tasks.flatMap(({ secrets }) =>
    Object.values(secrets).map(({ arn }) => arn),
  );
  return [...new Set(arns)];
}
