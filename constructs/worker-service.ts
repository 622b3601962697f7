/** One slot's worker: a task definition, and a service that runs it once. */
import { EcsService } from "@cdktf/provider-aws/lib/ecs-service";
import { EcsTaskDefinition } from "@cdktf/provider-aws/lib/ecs-task-definition";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import {
  type WorkerContainerProps,
  workerContainers,
} from "./worker-container";

export interface WorkerServiceProps {
  /** Of the service and the task definition's family. */
  readonly name: string;
  readonly clusterArn: string;
  /** 1024 are one processor; Fargate takes certain pairs with memory only. */
  readonly cpuUnits: number;
  readonly memoryMib: number;
  readonly architecture: "arm64" | "x86_64";
  readonly executionRoleArn: string;
  readonly taskRoleArn: string;
  readonly subnetIds: string[];
  readonly securityGroupIds: string[];
  readonly container: WorkerContainerProps;
  /** What a task needs from its first second on. */
  readonly dependsOn: ITerraformDependable[];
}

export class WorkerService extends Construct {
  readonly taskDefinition: EcsTaskDefinition;
  readonly service: EcsService;

  constructor(scope: Construct, id: string, props: WorkerServiceProps) {
    super(scope, id);

    this.taskDefinition = new EcsTaskDefinition(this, "task-definition", {
      family: props.name,
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      cpu: String(props.cpuUnits),
      memory: String(props.memoryMib),
      runtimePlatform: {
        cpuArchitecture: props.architecture === "arm64" ? "ARM64" : "X86_64",
        operatingSystemFamily: "LINUX",
      },
      executionRoleArn: props.executionRoleArn,
      taskRoleArn: props.taskRoleArn,
      containerDefinitions: workerContainers(props.container),
    });
    this.service = new EcsService(this, "service", {
      name: props.name,
      cluster: props.clusterArn,
      taskDefinition: this.taskDefinition.arn,
      launchType: "FARGATE",
      platformVersion: "LATEST",
      // A slot serves one reader: the old task ends before the new one begins,
      // in a deployment, when Fargate retires it, and never for a zone's sake.
      desiredCount: 1,
      deploymentMinimumHealthyPercent: 0,
      deploymentMaximumPercent: 100,
      availabilityZoneRebalancing: "DISABLED",
      deploymentCircuitBreaker: { enable: true, rollback: true },
      // The first deployment cannot become steady: the VPN node, the source's
      // parameters and its role come after it. Waiting would keep them away.
      waitForSteadyState: false,
      networkConfiguration: {
        subnets: props.subnetIds,
        securityGroups: props.securityGroupIds,
        assignPublicIp: false,
      },
      enableExecuteCommand: false,
      enableEcsManagedTags: true,
      propagateTags: "SERVICE",
      dependsOn: props.dependsOn,
    });
  }
}
