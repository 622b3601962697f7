/**
 * Two roles: one with which ECS starts the worker, and the worker's own, which
 * is allowed nothing. It calls no AWS service, and who gets into it gets no
 * further with its credentials.
 */
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { partitionOf } from "./partition";

export interface WorkerRolesProps {
  /** In front of every name. */
  readonly name: string;
  readonly region: string;
  /** 12 digits; tasks of no other account may use the roles. */
  readonly accountId: string;
  readonly repositoryArn: string;
  readonly logGroupArn: string;
  /** Every secret that a task's variables are filled from, and no other. */
  readonly secretArns: readonly string[];
  /** What those secrets are encrypted with. */
  readonly kmsKeyArn: string;
}

export class WorkerRoles extends Construct {
  /** Fetches the image and the secrets, and opens the log. */
  readonly execution: IamRole;
  /** No task starts before it is there. */
  readonly executionPolicy: IamRolePolicy;
  /** Of the worker itself. */
  readonly task: IamRole;

  constructor(scope: Construct, id: string, props: WorkerRolesProps) {
    super(scope, id);
    const { name } = props;
    const assumeRolePolicy = trust(props);

    this.execution = new IamRole(this, "execution", {
      name: `${name}-worker-execution`,
      description: "Starts the worker: image, secrets and log",
      assumeRolePolicy,
    });
    this.executionPolicy = new IamRolePolicy(this, "execution-policy", {
      name: "start-worker",
      role: this.execution.id,
      policy: executionPolicy(props),
    });
    this.task = new IamRole(this, "task", {
      name: `${name}-worker-task`,
      description: "The worker itself, which calls no AWS service",
      assumeRolePolicy,
    });
  }
}

function trust({ region, accountId }: WorkerRolesProps): string {
  const arn = `arn:${partitionOf(region)}:ecs:${region}:${accountId}:*`;
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Principal: { Service: "ecs-tasks.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": accountId },
          ArnLike: { "aws:SourceArn": arn },
        },
      },
    ],
  });
}

function executionPolicy(props: WorkerRolesProps): string {
  const allow = (
    Action: string | string[],
    Resource: string | readonly string[],
    Condition?: object,
  ) => ({
    Effect: "Allow",
    Action,
    Resource,
    ...(Condition ? { Condition } : {}),
  });
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      // It is of no repository, so AWS takes no other resource.
      allow("ecr:GetAuthorizationToken", "*"),
      allow(
        [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
        ],
        props.repositoryArn,
      ),
      allow(
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        `${props.logGroupArn}:*`,
      ),
      allow("secretsmanager:GetSecretValue", props.secretArns),
      allow("kms:Decrypt", props.kmsKeyArn, {
        StringEquals: {
          "kms:ViaService": `secretsmanager.${props.region}.amazonaws.com`,
        },
      }),
    ],
  });
}
