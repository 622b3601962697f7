/** Where the alarms of one account and region go, and who reads them. */
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription";
import type { TerraformProvider } from "cdktf";
import { Construct } from "constructs";
import { partitionOf } from "./partition";

export interface AlertTopicProps {
  readonly name: string;
  /** Account and region in which the topic is; only their alarms reach it. */
  readonly accountId: string;
  readonly region: string;
  readonly kmsKeyArn: string;
  /** Each gets a message with a link to confirm, once for every topic. */
  readonly emails: readonly string[];
  /** @default - That of the stack. */
  readonly provider?: TerraformProvider;
}

export class AlertTopic extends Construct {
  readonly topic: SnsTopic;
  readonly policy: SnsTopicPolicy;
  readonly subscriptions: readonly SnsTopicSubscription[];

  constructor(scope: Construct, id: string, props: AlertTopicProps) {
    super(scope, id);
    const provider = props.provider ? { provider: props.provider } : {};
    this.topic = new SnsTopic(this, "topic", {
      name: props.name,
      kmsMasterKeyId: props.kmsKeyArn,
      ...provider,
    });
    this.policy = new SnsTopicPolicy(this, "policy", {
      arn: this.topic.arn,
      policy: JSON.stringify(policyOf(this.topic.arn, props)),
      ...provider,
    });
    this.subscriptions = props.emails.map(
      (endpoint) =>
        new SnsTopicSubscription(this, `email-${endpoint}`, {
          topicArn: this.topic.arn,
          protocol: "email",
          endpoint,
          ...provider,
        }),
    );
  }
}

function policyOf(
  topicArn: string,
  { accountId, region }: AlertTopicProps,
): unknown {
  const source = (service: string, what: string) =>
    `arn:${partitionOf(region)}:${service}:${region}:${accountId}:${what}`;
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "sns:Publish",
        Resource: topicArn,
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
      {
        Sid: "Alarms",
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: "sns:Publish",
        Resource: topicArn,
        Condition: {
          StringEquals: { "aws:SourceAccount": accountId },
          ArnLike: { "aws:SourceArn": source("cloudwatch", "alarm:*") },
        },
      },
      {
        // The rule's ARN holds the account; EventBridge is not known to name
        // the account by itself to SNS.
        Sid: "Events",
        Effect: "Allow",
        Principal: { Service: "events.amazonaws.com" },
        Action: "sns:Publish",
        Resource: topicArn,
        Condition: {
          ArnLike: { "aws:SourceArn": source("events", "rule/*") },
        },
      },
    ],
  };
}
