/** With which RDS writes the operating system's figures of its instances. */
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { partitionOf } from "./partition";

export interface MonitoringRoleProps {
  /** Of the cluster; the names of its instances begin with it. */
  readonly clusterIdentifier: string;
  readonly accountId: string;
  readonly region: string;
}

export class MonitoringRole extends Construct {
  readonly role: IamRole;
  /** RDS tries the role when an instance is made, so it is needed before. */
  readonly policy: IamRolePolicy;

  constructor(scope: Construct, id: string, props: MonitoringRoleProps) {
    super(scope, id);
    const { accountId, region, clusterIdentifier } = props;
    const arn = (service: string, what: string) =>
      `arn:${partitionOf(region)}:${service}:${region}:${accountId}:${what}`;
    // Enhanced Monitoring has one log group for all databases of an account.
    const logGroup = arn("logs", "log-group:RDS*");
    this.role = new IamRole(this, "role", {
      name: `${clusterIdentifier}-monitoring`,
      description: "Enhanced Monitoring of the audit database",
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: { Service: "monitoring.rds.amazonaws.com" },
            Action: "sts:AssumeRole",
            Condition: {
              StringEquals: { "aws:SourceAccount": accountId },
              ArnLike: {
                "aws:SourceArn": arn("rds", `db:${clusterIdentifier}-*`),
              },
            },
          },
        ],
      }),
    });
    this.policy = new IamRolePolicy(this, "policy", {
      name: "write-figures",
      role: this.role.id,
      policy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Action: ["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
            Resource: logGroup,
          },
          {
            Effect: "Allow",
            Action: [
              "logs:CreateLogStream",
              "logs:DescribeLogStreams",
              "logs:GetLogEvents",
              "logs:PutLogEvents",
            ],
            Resource: `${logGroup}:log-stream:*`,
          },
        ],
      }),
    });
  }
}
