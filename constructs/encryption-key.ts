/** A key of KMS, and who may use it for what. */
import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import type { TerraformProvider } from "cdktf";
import { Construct } from "constructs";
import { partitionOf } from "./partition";

export interface EncryptionKeyProps {
  /** Without `alias/`. */
  readonly alias: string;
  /** What it encrypts. */
  readonly description: string;
  /** Account and region in which the key is. */
  readonly accountId: string;
  readonly region: string;
  /** Log groups that it may encrypt: names, `*` at the end for all that begin so. */
  readonly logGroups: readonly string[];
  /**
   * Refuses every plan that destroys the key. For one on which data rests that
   * nothing can bring back.
   * @default false
   */
  readonly preventDestroy?: boolean;
  /** @default - That of the stack. */
  readonly provider?: TerraformProvider;
}

export class EncryptionKey extends Construct {
  readonly key: KmsKey;
  readonly alias: KmsAlias;

  constructor(scope: Construct, id: string, props: EncryptionKeyProps) {
    super(scope, id);
    const { provider } = props;
    this.key = new KmsKey(this, "key", {
      description: props.description,
      policy: JSON.stringify(policyOf(props)),
      enableKeyRotation: true,
      // The longest there is: until then `aws kms cancel-key-deletion` helps.
      deletionWindowInDays: 30,
      lifecycle: { preventDestroy: props.preventDestroy ?? false },
      ...(provider ? { provider } : {}),
    });
    this.alias = new KmsAlias(this, "alias", {
      name: `alias/${props.alias}`,
      targetKeyId: this.key.keyId,
      ...(provider ? { provider } : {}),
    });
  }
}

function policyOf({
  accountId,
  region,
  logGroups,
}: EncryptionKeyProps): unknown {
  const partition = partitionOf(region);
  const ofAccount = { StringEquals: { "aws:SourceAccount": accountId } };
  return {
    Version: "2012-10-17",
    Statement: [
      {
        // Without it only the principals below could use the key, and nobody
        // could ever change this policy. Whom it lets in, IAM says.
        Sid: "Account",
        Effect: "Allow",
        Principal: { AWS: `arn:${partition}:iam::${accountId}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      {
        Sid: "Logs",
        Effect: "Allow",
        Principal: { Service: `logs.${region}.amazonaws.com` },
        Action: [
          "kms:Decrypt",
          "kms:DescribeKey",
          "kms:Encrypt",
          "kms:GenerateDataKey*",
          "kms:ReEncrypt*",
        ],
        Resource: "*",
        Condition: {
          ArnLike: {
            "kms:EncryptionContext:aws:logs:arn": logGroups.map(
              (name) =>
                `arn:${partition}:logs:${region}:${accountId}:log-group:${name}`,
            ),
          },
        },
      },
      // An alarm whose service may not use the topic's key is never heard of.
      {
        Sid: "Alarms",
        Effect: "Allow",
        Principal: {
          Service: ["cloudwatch.amazonaws.com", "sns.amazonaws.com"],
        },
        Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
        Resource: "*",
        Condition: ofAccount,
      },
      {
        // EventBridge names no source to KMS when it publishes to a topic, so a
        // condition on one would drop every event. Whose rules may publish, the
        // topic's own policy says.
        Sid: "Events",
        Effect: "Allow",
        Principal: { Service: "events.amazonaws.com" },
        Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
        Resource: "*",
      },
    ],
  };
}
