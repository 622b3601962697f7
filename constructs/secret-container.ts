/**
 * A secret of Secrets Manager without a value. The value is put there by a
 * script: what Terraform writes stays in its state, readable to all who deploy.
 */
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { SecretsmanagerSecretPolicy } from "@cdktf/provider-aws/lib/secretsmanager-secret-policy";
import type { TerraformProvider } from "cdktf";
import { Construct } from "constructs";

export interface SecretContainerProps {
  readonly name: string;
  /** What the value is, and who writes it. */
  readonly description: string;
  /** Account that it is in, and the only one that may read it. */
  readonly accountId: string;
  readonly kmsKeyArn: string;
  /** @default - That of the stack. */
  readonly provider?: TerraformProvider;
}

export class SecretContainer extends Construct {
  readonly secret: SecretsmanagerSecret;
  readonly policy: SecretsmanagerSecretPolicy;

  constructor(scope: Construct, id: string, props: SecretContainerProps) {
    super(scope, id);
    const provider = props.provider ? { provider: props.provider } : {};
    this.secret = new SecretsmanagerSecret(this, "secret", {
      name: props.name,
      description: props.description,
      kmsKeyId: props.kmsKeyArn,
      // A week to take back a deletion, in which the name is not free.
      recoveryWindowInDays: 7,
      ...provider,
    });
    this.policy = new SecretsmanagerSecretPolicy(this, "policy", {
      secretArn: this.secret.arn,
      policy: JSON.stringify(policyOf(props.accountId)),
      blockPublicPolicy: true,
      ...provider,
    });
  }
}

/** Whatever else is allowed to it, another account never has the value. */
function policyOf(accountId: string): unknown {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "OwnAccountOnly",
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: [
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
        ],
        Resource: "*",
        Condition: { StringNotEquals: { "aws:PrincipalAccount": accountId } },
      },
    ],
  };
}
