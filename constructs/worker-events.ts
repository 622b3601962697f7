/** What ECS says about the worker's tasks that no log line and no metric has. */
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { Construct } from "constructs";

export interface WorkerEventsProps {
  /** In front of every name. */
  readonly name: string;
  /** SNS topic whose policy lets EventBridge publish. */
  readonly topicArn: string;
  readonly clusterArn: string;
  readonly serviceArns: readonly string[];
}

export class WorkerEvents extends Construct {
  readonly deploymentFailed: CloudwatchEventRule;
  readonly taskStopped: CloudwatchEventRule;

  constructor(scope: Construct, id: string, props: WorkerEventsProps) {
    super(scope, id);
    const { name, clusterArn, serviceArns } = props;

    this.deploymentFailed = this.#rule("deployment-failed", props.topicArn, {
      name: `${name}-worker-deployment-failed`,
      description: "ECS gave a deployment of the worker up",
      pattern: {
        source: ["aws.ecs"],
        "detail-type": ["ECS Deployment State Change"],
        resources: serviceArns,
        detail: { eventName: ["SERVICE_DEPLOYMENT_FAILED"] },
      },
    });
    this.taskStopped = this.#rule("task-stopped", props.topicArn, {
      name: `${name}-worker-task-stopped`,
      description: "A task of the worker never began, or was killed",
      pattern: {
        source: ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        detail: {
          clusterArn: [clusterArn],
          group: [{ prefix: "service:" }],
          lastStatus: ["STOPPED"],
          // A worker that ends by itself says why in its log, which has alarms;
          // with an event for each attempt nobody would read any.
          $or: [
            { stopCode: ["TaskFailedToStart"] },
            { containers: { exitCode: KILLED } },
          ],
        },
      },
    });
  }

  #rule(
    id: string,
    topicArn: string,
    rule: { name: string; description: string; pattern: object },
  ): CloudwatchEventRule {
    const made = new CloudwatchEventRule(this, id, {
      name: rule.name,
      description: rule.description,
      eventPattern: JSON.stringify(rule.pattern),
    });
    new CloudwatchEventTarget(this, `${id}-target`, {
      rule: made.name,
      arn: topicArn,
      targetId: "alerts",
    });
    return made;
  }
}

/** By SIGABRT (Node's heap is full), SIGKILL (the task's memory) and SIGSEGV. */
const KILLED = [134, 137, 139];
