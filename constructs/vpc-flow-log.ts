/** Which connections a VPC has seen, let through and refused. */
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { FlowLog } from "@cdktf/provider-aws/lib/flow-log";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { partitionOf } from "./partition";

export interface VpcFlowLogProps {
  /** In front of every name. */
  readonly name: string;
  readonly region: string;
  /** 12 digits; flow logs of no other account may use the role. */
  readonly accountId: string;
  readonly vpcId: string;
  readonly logGroupName: string;
  /** One of those that CloudWatch Logs takes, in days. */
  readonly retentionDays: number;
  /** Its policy has to let CloudWatch Logs of the region use it. */
  readonly kmsKeyArn: string;
}

export class VpcFlowLog extends Construct {
  readonly logGroup: CloudwatchLogGroup;
  readonly role: IamRole;
  readonly flowLog: FlowLog;

  constructor(scope: Construct, id: string, props: VpcFlowLogProps) {
    super(scope, id);
    const { name, region, accountId } = props;

    this.logGroup = new CloudwatchLogGroup(this, "log-group", {
      name: props.logGroupName,
      retentionInDays: props.retentionDays,
      kmsKeyId: props.kmsKeyArn,
    });
    this.role = new IamRole(this, "role", {
      name: `${name}-flow-log`,
      description: "Writes the flow log of the VPC",
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Action: "sts:AssumeRole",
            Principal: { Service: "vpc-flow-logs.amazonaws.com" },
            Condition: {
              StringEquals: { "aws:SourceAccount": accountId },
              ArnLike: {
                "aws:SourceArn": `arn:${partitionOf(region)}:ec2:${region}:${accountId}:vpc-flow-log/*`,
              },
            },
          },
        ],
      }),
    });
    const policy = new IamRolePolicy(this, "policy", {
      name: "write-flow-log",
      role: this.role.id,
      policy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Action: [
              "logs:CreateLogStream",
              "logs:DescribeLogStreams",
              "logs:PutLogEvents",
            ],
            Resource: [this.logGroup.arn, `${this.logGroup.arn}:*`],
          },
        ],
      }),
    });
    this.flowLog = new FlowLog(this, "flow-log", {
      vpcId: props.vpcId,
      trafficType: "ALL",
      logDestinationType: "cloud-watch-logs",
      logDestination: this.logGroup.arn,
      iamRoleArn: this.role.arn,
      maxAggregationInterval: 60,
      tags: { Name: name },
      dependsOn: [policy],
    });
  }
}
