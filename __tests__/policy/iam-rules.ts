/** Policies of identities and of resources. */
import { at, listAt, type Rule } from "./rule";

interface Statement {
  readonly Effect: string;
  readonly Principal?: unknown;
  readonly Action?: string | readonly string[];
  readonly NotAction?: unknown;
  readonly Resource?: string | readonly string[];
  readonly Condition?: unknown;
}

/** What IAM knows no narrower resource for. */
const WITHOUT_RESOURCES = [
  "cloudwatch:PutMetricData",
  "ecr:GetAuthorizationToken",
  "ssm:UpdateInstanceInformation",
  /^ssmmessages:(Create|Open)(Control|Data)Channel$/,
];

const POLICIES = ["aws_iam_role_policy", "aws_iam_policy"];
const OWNED_POLICIES = [
  "aws_kms_key",
  "aws_sns_topic_policy",
  "aws_secretsmanager_secret_policy",
  "aws_ecr_repository_policy",
];

export const iamRules: readonly Rule[] = [
  {
    ids: ["CKV_AWS_60", "CKV_AWS_61", "AWS-0057"],
    says: "a role is assumed by AWS services alone, of one account where they serve many",
    types: ["aws_iam_role"],
    holds: (role) =>
      statementsOf(at(role, "assume_role_policy")).every(
        ({ Principal }) =>
          Object.keys(Principal ?? {}).join() === "Service" &&
          !JSON.stringify(Principal).includes("*"),
      ),
    counterexample: { assume_role_policy: allow({ Principal: { AWS: "*" } }) },
  },
  {
    ids: ["CKV_AWS_62", "CKV_AWS_63", "CKV_AWS_286", "AWS-0057", "IAM5"],
    says: "no policy allows every action of a service",
    types: POLICIES,
    holds: (policy) =>
      allowed(at(policy, "policy")).every(
        (statement) =>
          statement.NotAction === undefined &&
          actionsOf(statement).every((action) =>
            /^[a-z0-9-]+:[A-Z][^*]*$/.test(action),
          ),
      ),
    counterexample: { policy: allow({ Action: "s3:*", Resource: "arn:x" }) },
  },
  {
    ids: [
      "CKV_AWS_287",
      "CKV_AWS_288",
      "CKV_AWS_289",
      "CKV_AWS_290",
      "CKV_AWS_355",
    ],
    says: "only actions that know no resource are allowed on all of them",
    types: POLICIES,
    holds: (policy) =>
      allowed(at(policy, "policy"))
        .filter((statement) => resourcesOf(statement).includes("*"))
        .every((statement) =>
          actionsOf(statement).every((action) =>
            WITHOUT_RESOURCES.some((known) =>
              typeof known === "string" ? known === action : known.test(action),
            ),
          ),
        ),
    counterexample: {
      policy: allow({ Action: "secretsmanager:GetSecretValue", Resource: "*" }),
    },
  },
  {
    ids: ["metric-namespace"],
    says: "metrics are put into one namespace alone",
    types: POLICIES,
    holds: (policy) =>
      allowed(at(policy, "policy"))
        .filter((statement) =>
          actionsOf(statement).includes("cloudwatch:PutMetricData"),
        )
        .every(({ Condition }) =>
          JSON.stringify(Condition ?? {}).includes("cloudwatch:namespace"),
        ),
    counterexample: {
      policy: allow({ Action: "cloudwatch:PutMetricData", Resource: "*" }),
    },
  },
  {
    ids: ["kms-via-service"],
    says: "a key decrypts through the service alone that holds what it encrypts",
    types: POLICIES,
    holds: (policy) =>
      allowed(at(policy, "policy"))
        .filter((statement) =>
          actionsOf(statement).some((action) => action.startsWith("kms:")),
        )
        .every(({ Condition }) =>
          JSON.stringify(Condition ?? {}).includes("kms:ViaService"),
        ),
    counterexample: {
      policy: allow({ Action: "kms:Decrypt", Resource: "arn:x" }),
    },
  },
  {
    ids: ["CKV_AWS_274", "IAM4"],
    says: "no policy of AWS's own is attached: they allow more than is needed",
    types: ["aws_iam_role_policy_attachment", "aws_iam_role"],
    holds: (resource) =>
      !String(at(resource, "policy_arn")).includes(":aws:policy/") &&
      at(resource, "managed_policy_arns") === undefined,
    counterexample: {
      policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess",
    },
  },
  {
    ids: ["CKV_AWS_33", "CKV_AWS_169", "CKV_AWS_385", "CKV_AWS_32"],
    says: "nobody outside of the account is allowed anything by a resource's policy",
    types: OWNED_POLICIES,
    holds: (resource) =>
      allowed(at(resource, "policy")).every(
        ({ Principal }) => !/"\*"/.test(JSON.stringify(Principal ?? "*")),
      ),
    counterexample: {
      policy: allow({ Principal: "*", Action: "sns:Publish" }),
    },
  },
];

function allow(statement: object): string {
  return JSON.stringify({ Statement: [{ Effect: "Allow", ...statement }] });
}

/** Of a policy that is JSON, as all are that the constructs render. */
function statementsOf(policy: unknown): Statement[] {
  const { Statement } = JSON.parse(String(policy)) as {
    Statement: Statement | Statement[];
  };
  return Array.isArray(Statement) ? Statement : [Statement];
}

function allowed(policy: unknown): Statement[] {
  return statementsOf(policy).filter(({ Effect }) => Effect === "Allow");
}

function actionsOf(statement: Statement): string[] {
  return listAt(statement, "Action").map(String);
}

function resourcesOf(statement: Statement): string[] {
  return listAt(statement, "Resource").map(String);
}
