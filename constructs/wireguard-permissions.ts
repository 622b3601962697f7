/** What a WireGuard host may do with AWS: its own key, its metrics, its log. */

export interface WireGuardPermissions {
  readonly region: string;
  readonly secretArn: string;
  /** That the secret is encrypted with. */
  readonly kmsKeyArn: string;
  readonly metricNamespace: string;
  readonly logStreamArn: string;
  readonly sessionManager: boolean;
}

export function permissionsPolicy(host: WireGuardPermissions): string {
  const statements = [
    {
      Sid: "OwnKey",
      Effect: "Allow",
      Action: "secretsmanager:GetSecretValue",
      Resource: host.secretArn,
    },
    {
      Sid: "DecryptOwnKey",
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: host.kmsKeyArn,
      Condition: {
        StringEquals: {
          "kms:ViaService": `secretsmanager.${host.region}.amazonaws.com`,
          "kms:EncryptionContext:SecretARN": host.secretArn,
        },
      },
    },
    {
      // CloudWatch knows no narrower resource for it.
      Sid: "Metrics",
      Effect: "Allow",
      Action: "cloudwatch:PutMetricData",
      Resource: "*",
      Condition: {
        StringEquals: { "cloudwatch:namespace": host.metricNamespace },
      },
    },
    {
      Sid: "Log",
      Effect: "Allow",
      Action: "logs:PutLogEvents",
      Resource: host.logStreamArn,
    },
  ];
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: host.sessionManager
      ? [...statements, SESSION_MANAGER]
      : statements,
  });
}

/** The least that Session Manager's agent needs; it knows no resources. */
const SESSION_MANAGER = {
  Sid: "SessionManager",
  Effect: "Allow",
  Action: [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
  ],
  Resource: "*",
};

export const TRUST_POLICY = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { Service: "ec2.amazonaws.com" },
      Action: "sts:AssumeRole",
    },
  ],
});
