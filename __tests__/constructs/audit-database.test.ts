import {
  AuditDatabase,
  type AuditDatabaseProps,
} from "../../constructs/audit-database";
import {
  type Block,
  onlyResource,
  resourcesOf,
  type Template,
  templateOf,
} from "../support/templates";

const KEY = "arn:aws:kms:us-west-1:111111111111:key/one";
const TOPIC = "arn:aws:sns:us-west-1:111111111111:alerts";

const usual: AuditDatabaseProps = {
  name: "bemi-prod-audit",
  accountId: "111111111111",
  region: "us-west-1",
  vpcId: "vpc-1",
  subnetIds: ["subnet-1", "subnet-2"],
  clientSecurityGroupIds: ["sg-worker"],
  kmsKeyArn: KEY,
  engineVersion: "17",
  minCapacityAcu: 0.5,
  maxCapacityAcu: 4,
  backupRetentionDays: 14,
  deletionProtection: true,
  readers: 0,
  alarmTopicArn: TOPIC,
};

function databaseOf(changes: Partial<AuditDatabaseProps> = {}): Template {
  return templateOf((stack) => {
    new AuditDatabase(stack, "database", { ...usual, ...changes });
  });
}

const template = databaseOf();
const cluster = onlyResource(template, "aws_rds_cluster");
const group = onlyResource(template, "aws_rds_cluster_parameter_group");

const instancesOf = (one: Template): Block[] =>
  Object.values(resourcesOf(one, "aws_rds_cluster_instance"));

test("it is Aurora PostgreSQL whose capacity follows the load", () => {
  expect(cluster).toMatchObject({
    engine: "aurora-postgresql",
    engine_mode: "provisioned",
    engine_version: "17",
    serverlessv2_scaling_configuration: { min_capacity: 0.5, max_capacity: 4 },
    db_subnet_group_name: expect.stringMatching(/^\$\{aws_db_subnet_group\./),
  });
  expect(onlyResource(template, "aws_db_subnet_group").subnet_ids).toEqual([
    "subnet-1",
    "subnet-2",
  ]);
});

test("RDS makes the administrator's password, and Terraform has none", () => {
  expect(cluster).toMatchObject({
    manage_master_user_password: true,
    master_user_secret_kms_key_id: KEY,
    iam_database_authentication_enabled: true,
  });
  const text = JSON.stringify(template);
  expect(text).not.toMatch(/"master_password/);
  expect(text).not.toContain("aws_secretsmanager");
});

test("everything that is stored is encrypted with the environment's key", () => {
  expect(cluster).toMatchObject({
    storage_encrypted: true,
    kms_key_id: KEY,
    performance_insights_kms_key_id: KEY,
  });
  expect(instancesOf(template)[0]).toMatchObject({
    performance_insights_enabled: true,
    performance_insights_kms_key_id: KEY,
    performance_insights_retention_period: 7,
  });
  expect(onlyResource(template, "aws_cloudwatch_log_group")).toMatchObject({
    kms_key_id: KEY,
  });
});

describe("a deletion", () => {
  test("is refused by AWS, and before that by Terraform", () => {
    expect(cluster).toMatchObject({
      deletion_protection: true,
      lifecycle: { prevent_destroy: true },
    });
  });

  test("that is wanted leaves a snapshot and the backups", () => {
    const unprotected = onlyResource(
      databaseOf({ deletionProtection: false }),
      "aws_rds_cluster",
    );
    for (const one of [cluster, unprotected]) {
      expect(one).toMatchObject({
        skip_final_snapshot: false,
        final_snapshot_identifier: "bemi-prod-audit-final",
        delete_automated_backups: false,
        backup_retention_period: 14,
        copy_tags_to_snapshot: true,
      });
    }
    expect(unprotected).toMatchObject({
      deletion_protection: false,
      lifecycle: { prevent_destroy: false },
    });
  });

  test("leaves it under the name that is asked for", () => {
    expect(
      onlyResource(
        databaseOf({ finalSnapshotIdentifier: "bemi-prod-audit-2027" }),
        "aws_rds_cluster",
      ).final_snapshot_identifier,
    ).toBe("bemi-prod-audit-2027");
  });
});

describe("the network", () => {
  test("lets its clients in, on PostgreSQL's port, and nobody else", () => {
    const rules = resourcesOf(
      databaseOf({ clientSecurityGroupIds: ["sg-worker", "sg-analyst"] }),
      "aws_vpc_security_group_ingress_rule",
    );
    expect(
      Object.values(rules).map(
        ({ "//": _, security_group_id: __, ...rule }) => rule,
      ),
    ).toEqual(
      ["sg-worker", "sg-analyst"].map((client) => ({
        referenced_security_group_id: client,
        ip_protocol: "tcp",
        from_port: 5432,
        to_port: 5432,
        description: expect.stringMatching(/./),
      })),
    );
  });

  test("lets nothing out, and nothing in from the internet", () => {
    expect(resourcesOf(template, "aws_vpc_security_group_egress_rule")).toEqual(
      {},
    );
    const securityGroup = onlyResource(template, "aws_security_group");
    expect(securityGroup).not.toHaveProperty("ingress");
    expect(securityGroup).not.toHaveProperty("egress");
    expect(securityGroup.vpc_id).toBe("vpc-1");
    expect(cluster.vpc_security_group_ids).toEqual([
      expect.stringMatching(/^\$\{aws_security_group\.\S+\.id\}$/),
    ]);
    expect(instancesOf(template)).toEqual([
      expect.objectContaining({ publicly_accessible: false }),
    ]);
  });

  test("is TLS alone", () => {
    expect(group.parameter).toEqual(
      expect.arrayContaining([
        { name: "rds.force_ssl", value: "1", apply_method: "immediate" },
      ]),
    );
    expect(instancesOf(template)[0]).toMatchObject({
      ca_cert_identifier: "rds-ca-rsa2048-g1",
    });
  });
});

describe("the log", () => {
  const logGroup = onlyResource(template, "aws_cloudwatch_log_group");

  test("is where RDS writes it, for a year, before RDS makes it", () => {
    expect(cluster.enabled_cloudwatch_logs_exports).toEqual(["postgresql"]);
    expect(logGroup).toMatchObject({
      name: "/aws/rds/cluster/bemi-prod-audit/postgresql",
      retention_in_days: 365,
    });
    expect(cluster.depends_on).toEqual([
      expect.stringMatching(/^aws_cloudwatch_log_group\./),
    ]);
  });

  test("tells who changed a table, and no recorded value", () => {
    expect(group.parameter).toEqual(
      expect.arrayContaining([
        { name: "log_statement", value: "ddl", apply_method: "immediate" },
        {
          name: "log_min_duration_statement",
          value: "-1",
          apply_method: "immediate",
        },
        {
          name: "log_error_verbosity",
          value: "terse",
          apply_method: "immediate",
        },
      ]),
    );
  });
});

test.each([14, 15, 16, 17, 18])(
  "the parameter group of version %i is of its family",
  (major) => {
    for (const engineVersion of [`${major}`, `${major}.12`]) {
      expect(
        onlyResource(
          databaseOf({ engineVersion }),
          "aws_rds_cluster_parameter_group",
        ),
      ).toMatchObject({
        family: `aurora-postgresql${major}`,
        name_prefix: "bemi-prod-audit-",
        lifecycle: { create_before_destroy: true },
      });
    }
  },
);

// AWS's upgrade of a version that the file names to the minor would be refused
// at every later deployment, which would want the old one back.
test.each([
  ["17", true],
  ["17.5", false],
])("with version %s AWS upgrades by itself: %s", (engineVersion, expected) => {
  for (const instance of instancesOf(databaseOf({ engineVersion }))) {
    expect(instance.auto_minor_version_upgrade).toBe(expected);
    expect(instance).not.toHaveProperty("engine_version");
  }
});

test("readers are instances like the writer, any of which takes its place", () => {
  const instances = instancesOf(databaseOf({ readers: 2 }));
  expect(instances.map(({ identifier }) => identifier)).toEqual([
    "bemi-prod-audit-1",
    "bemi-prod-audit-2",
    "bemi-prod-audit-3",
  ]);
  for (const instance of instances) {
    expect(instance).toMatchObject({
      instance_class: "db.serverless",
      promotion_tier: 1,
      monitoring_interval: 60,
    });
  }
});

// What waits for the maintenance window is in every plan until then.
test("a change is made when it is deployed", () => {
  expect(cluster.apply_immediately).toBe(true);
  expect(instancesOf(template)[0]?.apply_immediately).toBe(true);
});

describe("the monitoring role", () => {
  const role = onlyResource(template, "aws_iam_role");
  const policy = onlyResource(template, "aws_iam_role_policy");

  test("is RDS's, for the instances of this cluster alone", () => {
    const { Statement } = JSON.parse(String(role.assume_role_policy));
    expect(Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "monitoring.rds.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: {
          StringEquals: { "aws:SourceAccount": "111111111111" },
          ArnLike: {
            "aws:SourceArn":
              "arn:aws:rds:us-west-1:111111111111:db:bemi-prod-audit-*",
          },
        },
      },
    ]);
  });

  test("writes to the log groups of Enhanced Monitoring and no other", () => {
    const { Statement } = JSON.parse(String(policy.policy)) as {
      Statement: { Action: string[]; Resource: string }[];
    };
    const groups = "arn:aws:logs:us-west-1:111111111111:log-group:RDS*";
    expect(Statement.map(({ Resource }) => Resource)).toEqual([
      groups,
      `${groups}:log-stream:*`,
    ]);
    expect(Statement.flatMap(({ Action }) => Action).join()).not.toContain("*");
  });

  test("is there before the instances that need it", () => {
    expect(instancesOf(template)[0]?.depends_on).toEqual([
      expect.stringMatching(/^aws_iam_role_policy\./),
    ]);
  });
});

describe("the alarms", () => {
  /** Metric, comparison and threshold of each. */
  const alarmsOf = (changes: Partial<AuditDatabaseProps> = {}) =>
    Object.values(
      resourcesOf(databaseOf(changes), "aws_cloudwatch_metric_alarm"),
    ).map(({ metric_name, comparison_operator, threshold }) =>
      [metric_name, comparison_operator, threshold].join(" "),
    );

  test("tell of what runs short", () => {
    expect(alarmsOf()).toEqual([
      "ACUUtilization GreaterThanThreshold 90",
      "DatabaseConnections GreaterThanThreshold 604",
      "Deadlocks GreaterThanThreshold 0",
      "FreeableMemory LessThanThreshold 429496729",
    ]);
  });

  test.each([
    [0.5, 64, 1600],
    [1, 64, 4000],
    [1, 2, 302],
  ])(
    "from %d to %d units the worker is told of at %d connections",
    (min, max, expected) => {
      expect(alarmsOf({ minCapacityAcu: min, maxCapacityAcu: max })).toContain(
        `DatabaseConnections GreaterThanThreshold ${expected}`,
      );
    },
  );

  test("look at the cluster or its writer, and tell the topic", () => {
    for (const alarm of Object.values(
      resourcesOf(template, "aws_cloudwatch_metric_alarm"),
    )) {
      expect(alarm).toMatchObject({
        alarm_actions: [TOPIC],
        ok_actions: [TOPIC],
        treat_missing_data: "missing",
        dimensions:
          alarm.metric_name === "ACUUtilization"
            ? { DBClusterIdentifier: "bemi-prod-audit" }
            : { DBClusterIdentifier: "bemi-prod-audit", Role: "WRITER" },
      });
    }
  });
});

// A rename makes Terraform replace what it is the name of.
test("the names of the constructs stay as they are", () => {
  const paths = Object.values(databaseOf({ readers: 1 }).resource ?? {})
    .flatMap((byName) => Object.values(byName))
    .map((block) => (block["//"] as { metadata: { path: string } }).metadata);
  expect(
    paths.map(({ path }) => path.replace("stack/database/", "")).sort(),
  ).toEqual([
    "alarms/capacity",
    "alarms/connections",
    "alarms/deadlocks",
    "alarms/memory",
    "client-0",
    "cluster",
    "instance-1",
    "instance-2",
    "log-group",
    "monitoring/policy",
    "monitoring/role",
    "parameter-group",
    "security-group",
    "subnet-group",
  ]);
});
