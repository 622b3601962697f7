import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { TerraformStack, Testing } from "cdktf";
import { WireGuardHost } from "../../constructs/wireguard-host";
import type {
  NodeEnd,
  ServerEnd,
  WireGuardHostProps,
} from "../../constructs/wireguard-host-props";
import { publicKeys } from "../support/environments";
import {
  type Block,
  onlyResource,
  resourcesOf,
  synthesize,
  type Template,
} from "../support/templates";

const node: NodeEnd = {
  kind: "node",
  serverHost: "198.51.100.7",
  serverPort: 51_820,
  databaseHost: "shop.abcdef5ghij.us-west-1.rds.amazonaws.com",
  databaseSecurityGroupId: "sg-0a1b2c3d4e5f60718",
};

const server: ServerEnd = {
  kind: "server",
  listenPort: 51_820,
  allowedCidrs: ["203.0.113.9/32"],
  workerCidrs: ["10.213.0.0/20"],
  workerSecurityGroupId: "sg-0fedcba9876543210",
  keepAddress: true,
};

const KEY = "arn:aws:kms:us-west-1:111111111111:key/one";
const SECRET = "arn:aws:secretsmanager:us-west-1:111111111111:secret:one";
const TOPIC = "arn:aws:sns:us-west-1:111111111111:alerts";

function templateOf(
  end: NodeEnd | ServerEnd,
  change: Partial<WireGuardHostProps> = {},
): Template {
  const app = Testing.app();
  const stack = new TerraformStack(app, "host");
  new AwsProvider(stack, "aws", { region: "us-west-1" });
  new WireGuardHost(stack, end.kind, {
    environment: "prod",
    name: `bemi-prod-vpn-${end.kind}`,
    region: "us-west-1",
    vpcId: "vpc-0a1b2c3d4e5f60718",
    subnetId: "subnet-0a1b2c3d4e5f60718",
    instanceType: "t4g.nano",
    architecture: "arm64",
    generation: 1,
    kmsKeyArn: KEY,
    secret: { name: `bemi/prod/wireguard/${end.kind}`, arn: SECRET },
    logGroupName: `/bemi/prod/vpn-${end.kind}`,
    metricNamespace: "Bemi/Vpn",
    alertTopicArn: TOPIC,
    tunnel: { server: "100.64.77.1", node: "100.64.77.2" },
    peerPublicKey: end.kind === "node" ? publicKeys.server : publicKeys.node,
    forwarding: "nat",
    databaseCidrs: ["10.20.30.0/24", "10.20.31.0/24"],
    databasePort: 5432,
    end,
    ...change,
  });
  return synthesize(app).host as Template;
}

const NODE = templateOf(node);
const SERVER = templateOf(server);
const both = [
  ["node", NODE],
  ["server", SERVER],
] as const;

/** Rules of one direction as `udp 51820 198.51.100.7/32`, sorted. */
function rules(template: Template, direction: "ingress" | "egress"): string[] {
  const type = `aws_vpc_security_group_${direction}_rule`;
  return Object.values(resourcesOf(template, type))
    .map((rule) => {
      expect(rule.from_port).toBe(rule.to_port);
      const whom = rule.cidr_ipv4 ?? rule.referenced_security_group_id;
      return `${rule.ip_protocol} ${rule.from_port} ${whom}`;
    })
    .sort();
}

interface Statement {
  readonly Sid: string;
  readonly Action: string | readonly string[];
  readonly Resource: string;
  readonly Condition?: unknown;
}

function permissions(template: Template): readonly Statement[] {
  const { policy } = onlyResource(template, "aws_iam_role_policy");
  return (JSON.parse(String(policy)) as { Statement: Statement[] }).Statement;
}

/** By the last part of their names. */
function alarms(template: Template): Record<string, Block> {
  return Object.fromEntries(
    Object.values(resourcesOf(template, "aws_cloudwatch_metric_alarm")).map(
      (alarm) => [
        String(alarm.alarm_name).replace(/^bemi-prod-vpn-(node|server)-/, ""),
        alarm,
      ],
    ),
  );
}

describe.each(both)("the instance of the %s", (end, template) => {
  const instance = onlyResource(template, "aws_instance");

  test("is replaced when its script changes, and not for a newer image", () => {
    expect(instance).toMatchObject({
      user_data_replace_on_change: true,
      lifecycle: { ignore_changes: ["ami"] },
      disable_api_termination: false,
    });
  });

  test("asks for a session token before it tells of itself, one hop away", () => {
    expect(instance.metadata_options).toEqual({
      http_endpoint: "enabled",
      http_tokens: "required",
      http_put_response_hop_limit: 1,
    });
  });

  test("has an encrypted volume", () => {
    expect(instance.root_block_device).toMatchObject({
      encrypted: true,
      kms_key_id: KEY,
      volume_type: "gp3",
    });
  });

  test("is of the VPC's own security group, by its id", () => {
    expect(instance.vpc_security_group_ids).toEqual([
      expect.stringMatching(/^\$\{aws_security_group\.\S+\.id\}$/),
    ]);
    // The argument that replaces the instance at every deployment.
    expect(instance).not.toHaveProperty("security_groups");
    expect(onlyResource(template, "aws_security_group")).toMatchObject({
      vpc_id: "vpc-0a1b2c3d4e5f60718",
      name_prefix: `bemi-prod-vpn-${end}-`,
      lifecycle: { create_before_destroy: true },
    });
  });

  test("costs no more than its price, and is looked after", () => {
    expect(instance).toMatchObject({
      credit_specification: { cpu_credits: "standard" },
      maintenance_options: { auto_recovery: "default" },
      monitoring: true,
      ebs_optimized: true,
    });
  });

  test("has the newest image for its architecture", () => {
    expect(instance.ami).toMatch(
      /^\$\{data\.aws_ssm_parameter\.\S+\.insecure_value\}$/,
    );
    expect(
      Object.values(template.data?.aws_ssm_parameter ?? {}).map(
        ({ name }) => name,
      ),
    ).toEqual([
      "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    ]);
  });

  test("waits for what its script uses", () => {
    expect(instance.depends_on).toEqual([
      expect.stringMatching(/^aws_iam_role_policy\./),
      expect.stringMatching(/^aws_cloudwatch_log_stream\./),
    ]);
  });

  test("is told no secret", () => {
    expect(JSON.stringify(template)).not.toMatch(
      /secret_version|PrivateKey *=|BEGIN|password/i,
    );
  });
});

test("an image that is named is taken as it is", () => {
  const template = templateOf(node, { amiId: "ami-0a1b2c3d4e5f60718" });
  expect(onlyResource(template, "aws_instance").ami).toBe(
    "ami-0a1b2c3d4e5f60718",
  );
  expect(template.data?.aws_ssm_parameter).toBeUndefined();
});

test("an x86 instance has an x86 image, and no credits if it earns none", () => {
  const template = templateOf(server, {
    instanceType: "m7i.large",
    architecture: "x86_64",
  });
  expect(JSON.stringify(template.data)).toContain("kernel-default-x86_64");
  expect(onlyResource(template, "aws_instance")).not.toHaveProperty(
    "credit_specification",
  );
  expect(Object.keys(alarms(template))).not.toContain("cpu-credits");
});

test("only the server carries packets of others, and has a public address", () => {
  expect(onlyResource(NODE, "aws_instance")).toMatchObject({
    source_dest_check: true,
    associate_public_ip_address: false,
  });
  expect(resourcesOf(NODE, "aws_eip")).toEqual({});
  const instance = onlyResource(SERVER, "aws_instance");
  expect(instance.source_dest_check).toBe(false);
  // Either would plan a change at every deployment.
  expect(instance).not.toHaveProperty("associate_public_ip_address");
  expect(instance).not.toHaveProperty("primary_network_interface");
});

test("the server's address outlives its instance", () => {
  expect(onlyResource(SERVER, "aws_eip")).toMatchObject({
    domain: "vpc",
    lifecycle: { prevent_destroy: true },
  });
  expect(onlyResource(SERVER, "aws_eip_association")).toMatchObject({
    allocation_id: expect.stringMatching(/^\$\{aws_eip\.\S+\.allocation_id\}$/),
    instance_id: expect.stringMatching(/^\$\{aws_instance\.\S+\.id\}$/),
  });
  const given = templateOf({ ...server, keepAddress: false });
  expect(onlyResource(given, "aws_eip").lifecycle).toEqual({
    prevent_destroy: false,
  });
});

describe("what comes in and goes out", () => {
  test("nothing comes to the node, and little goes", () => {
    expect(rules(NODE, "egress")).toEqual([
      "tcp 443 0.0.0.0/0",
      "tcp 5432 10.20.30.0/24",
      "tcp 5432 10.20.31.0/24",
      "udp 51820 198.51.100.7/32",
    ]);
    const { security_group_id, referenced_security_group_id } = onlyResource(
      NODE,
      "aws_vpc_security_group_ingress_rule",
    );
    // The one rule there is opens the database for the node.
    expect(security_group_id).toBe("sg-0a1b2c3d4e5f60718");
    expect(referenced_security_group_id).toMatch(/^\$\{aws_security_group\./);
  });

  test("a database whose group is not known is left to its owner", () => {
    const { databaseSecurityGroupId: _, ...unknown } = node;
    expect(rules(templateOf(unknown), "ingress")).toEqual([]);
  });

  test("a server that is a name may be anywhere", () => {
    const template = templateOf({
      ...node,
      serverHost: "vpn.provider.example",
    });
    expect(rules(template, "egress")).toContain("udp 51820 0.0.0.0/0");
  });

  test("SSH is open to those who are named", () => {
    const { databaseSecurityGroupId: _, ...unknown } = node;
    const template = templateOf({
      ...unknown,
      // Said twice; EC2 takes a rule once.
      ssh: { keyName: "platform", cidrs: ["10.20.0.0/16", "10.20.0.0/16"] },
    });
    expect(rules(template, "ingress")).toEqual(["tcp 22 10.20.0.0/16"]);
    expect(onlyResource(template, "aws_instance").key_name).toBe("platform");
    expect(onlyResource(NODE, "aws_instance")).not.toHaveProperty("key_name");
  });

  test("the server takes WireGuard of the node, and the worker's connections", () => {
    expect(rules(SERVER, "ingress")).toEqual([
      "tcp 5432 sg-0fedcba9876543210",
      "udp 51820 203.0.113.9/32",
    ]);
    expect(rules(SERVER, "egress")).toEqual(["tcp 443 0.0.0.0/0"]);
  });

  test.each([
    ...both,
    [
      "node with SSH",
      templateOf({ ...node, ssh: { keyName: "a", cidrs: ["10.20.0.0/16"] } }),
    ] as const,
  ])("every rule of the %s says what it is for", (_, template) => {
    const all = ["ingress", "egress"].flatMap((direction) =>
      Object.values(
        resourcesOf(template, `aws_vpc_security_group_${direction}_rule`),
      ),
    );
    expect(all.length).toBeGreaterThan(0);
    for (const { description } of all) {
      // What EC2 refuses is found at the deployment only.
      expect(description).toMatch(/^[\w. :/()#,@[\]+=&;{}!$*-]{10,255}$/);
    }
    const group = onlyResource(template, "aws_security_group");
    expect(group.description).toMatch(/^WireGuard/);
    // Beside rules of their own, inline ones undo each other.
    expect(group).not.toHaveProperty("ingress");
    expect(group).not.toHaveProperty("egress");
  });
});

describe.each(both)("the role of the %s", (end, template) => {
  test("reads its own secret, writes its own metrics and log, and no more", () => {
    expect(permissions(template)).toEqual([
      expect.objectContaining({
        Action: "secretsmanager:GetSecretValue",
        Resource: SECRET,
      }),
      expect.objectContaining({
        Action: "kms:Decrypt",
        Resource: KEY,
        Condition: {
          StringEquals: {
            "kms:ViaService": "secretsmanager.us-west-1.amazonaws.com",
            "kms:EncryptionContext:SecretARN": SECRET,
          },
        },
      }),
      expect.objectContaining({
        Action: "cloudwatch:PutMetricData",
        Resource: "*",
        Condition: { StringEquals: { "cloudwatch:namespace": "Bemi/Vpn" } },
      }),
      expect.objectContaining({
        Action: "logs:PutLogEvents",
        Resource: expect.stringMatching(
          /^\$\{aws_cloudwatch_log_stream\.\S+\.arn\}$/,
        ),
      }),
    ]);
  });

  test("is a machine's alone", () => {
    const { assume_role_policy } = onlyResource(template, "aws_iam_role");
    expect(JSON.parse(String(assume_role_policy)).Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "ec2.amazonaws.com" },
        Action: "sts:AssumeRole",
      },
    ]);
  });

  test("has a log that is encrypted and kept for a year", () => {
    expect(onlyResource(template, "aws_cloudwatch_log_group")).toMatchObject({
      name: `/bemi/prod/vpn-${end}`,
      kms_key_id: KEY,
      retention_in_days: 365,
    });
    expect(onlyResource(template, "aws_cloudwatch_log_stream").name).toBe(end);
  });
});

test("Session Manager is let in when asked for, with no port", () => {
  const template = templateOf(node, { sessionManager: true });
  const added = permissions(template).at(-1);
  expect(added).toMatchObject({ Sid: "SessionManager", Resource: "*" });
  expect(added?.Action).toEqual([
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
  ]);
  expect(rules(template, "egress")).toEqual(rules(NODE, "egress"));
});

describe.each(both)("the alarms of the %s", (end, template) => {
  const all = alarms(template);

  test("are these, and each is heard of", () => {
    expect(Object.keys(all).sort()).toEqual([
      "cpu-credits",
      "handshake",
      "instance-check",
      "key",
      "system-check",
    ]);
    for (const alarm of Object.values(all)) {
      expect(alarm.alarm_actions).toContain(TOPIC);
      expect(alarm.ok_actions).toEqual([TOPIC]);
    }
  });

  test("start a failed machine anew", () => {
    expect(all["system-check"]).toMatchObject({
      metric_name: "StatusCheckFailed_System",
      alarm_actions: ["arn:aws:automate:us-west-1:ec2:recover", TOPIC],
    });
    expect(all["instance-check"]).toMatchObject({
      metric_name: "StatusCheckFailed_Instance",
      alarm_actions: ["arn:aws:automate:us-west-1:ec2:reboot", TOPIC],
    });
  });

  test("tell of a tunnel that is down, also when nothing is heard", () => {
    expect(all.handshake).toMatchObject({
      namespace: "Bemi/Vpn",
      metric_name: "HandshakeAgeSeconds",
      dimensions: { Environment: "prod", Host: end },
      comparison_operator: "GreaterThanThreshold",
      threshold: 300,
      treat_missing_data: "breaching",
    });
  });

  test("watch the metrics that the script writes", () => {
    const script = String(onlyResource(template, "aws_instance").user_data);
    for (const name of ["handshake", "key"]) {
      const { namespace, metric_name, dimensions } = all[name] ?? {};
      expect(script).toContain(`--namespace ${namespace} `);
      const written = Object.entries(dimensions as Record<string, string>)
        .map(([key, value]) => `{Name=${key},Value=${value}}`)
        .join(",");
      expect(script).toMatch(
        new RegExp(
          `MetricName=${metric_name},[^"]*Dimensions=\\[${written}\\]`,
        ),
      );
    }
  });

  test("tell of credits that run out", () => {
    expect(all["cpu-credits"]).toMatchObject({
      metric_name: "CPUCreditBalance",
      statistic: "Minimum",
      comparison_operator: "LessThanThreshold",
    });
  });
});

test("everything keeps its place: a new one would be made, and this one destroyed", () => {
  const paths = (template: Template) =>
    Object.values(template.resource ?? {})
      .flatMap((resources) => Object.values(resources))
      .map((resource) => {
        const { metadata } = resource["//"] as { metadata: { path: string } };
        return metadata.path.replace(/^host\//, "");
      })
      .sort();
  expect(paths(NODE)).toEqual([
    "node/alarms/cpu-credits",
    "node/alarms/handshake",
    "node/alarms/instance-check",
    "node/alarms/key",
    "node/alarms/system-check",
    "node/database-ingress",
    "node/egress-database-10-20-30-0-24",
    "node/egress-database-10-20-31-0-24",
    "node/egress-https",
    "node/egress-tunnel",
    "node/instance",
    "node/instance-profile",
    "node/log-group",
    "node/log-stream",
    "node/role",
    "node/role-policy",
    "node/security-group",
  ]);
  expect(paths(SERVER)).toEqual([
    "server/address",
    "server/address-association",
    "server/alarms/cpu-credits",
    "server/alarms/handshake",
    "server/alarms/instance-check",
    "server/alarms/key",
    "server/alarms/system-check",
    "server/egress-https",
    "server/ingress-tunnel-203-0-113-9-32",
    "server/ingress-worker",
    "server/instance",
    "server/instance-profile",
    "server/log-group",
    "server/log-stream",
    "server/role",
    "server/role-policy",
    "server/security-group",
  ]);
});
