import {
  changedEnvironment,
  type EnvironmentName,
  environmentNames,
  environmentOf,
} from "../support/environments";
import {
  onlyResource,
  resourcesOf,
  type Template,
  templatesOf,
} from "../support/templates";

const stackOf = (name: EnvironmentName): Template | undefined =>
  templatesOf(environmentOf(name))["source-database"];

/** What each alarm looks at, when it is raised, and where it tells of it. */
function alarmsOf(template: Template | undefined) {
  return Object.values(resourcesOf(template, "aws_cloudwatch_metric_alarm"))
    .map(({ alarm_name, metric_name, comparison_operator, threshold }) =>
      [alarm_name, metric_name, comparison_operator, threshold].join(" "),
    )
    .sort();
}

test("there is none for a database that RDS does not run", () => {
  expect(stackOf("no-rds")).toBeUndefined();
});

test.each(environmentNames.filter((name) => name !== "no-rds"))(
  "%s has a group, alarms that tell somebody, and no secret",
  (name) => {
    const template = stackOf(name);
    expect(Object.keys(template?.resource ?? {}).sort()).toEqual([
      "aws_cloudwatch_metric_alarm",
      name === "aurora-source"
        ? "aws_rds_cluster_parameter_group"
        : "aws_db_parameter_group",
    ]);
    const alarms = Object.values(
      resourcesOf(template, "aws_cloudwatch_metric_alarm"),
    );
    for (const alarm of alarms) {
      const [action] = alarm.alarm_actions as string[];
      expect(action).toMatch(
        name === "two-accounts"
          ? /aws_sns_topicsource-alert-topic_/
          : /aws_sns_topicalert-topic_/,
      );
      expect(alarm).toMatchObject({
        namespace: "AWS/RDS",
        ok_actions: [action],
        treat_missing_data: "missing",
        period: 300,
        evaluation_periods: 3,
      });
    }
  },
);

test("an instance tells of its storage, its log, its oldest slot and its IDs", () => {
  expect(alarmsOf(stackOf("direct"))).toEqual([
    "bemi-direct-source-log TransactionLogsDiskUsage GreaterThanThreshold 26843545600",
    "bemi-direct-source-slot OldestReplicationSlotLag GreaterThanThreshold 13421772800",
    "bemi-direct-source-storage FreeStorageSpace LessThanThreshold 16106127360",
    "bemi-direct-source-transaction-ids MaximumUsedTransactionIDs GreaterThanThreshold 1000000000",
  ]);
});

// Aurora has neither FreeStorageSpace nor OldestReplicationSlotLag: an alarm on
// them would never be raised.
test("an Aurora cluster tells of what it measures, at its writer", () => {
  const template = stackOf("aurora-source");
  expect(alarmsOf(template)).toEqual([
    "bemi-aurora-source-source-log TransactionLogsDiskUsage GreaterThanThreshold 26843545600",
    "bemi-aurora-source-source-slot ReplicationSlotDiskUsage GreaterThanThreshold 10737418240",
    "bemi-aurora-source-source-transaction-ids MaximumUsedTransactionIDs GreaterThanThreshold 1000000000",
  ]);
  for (const { dimensions } of Object.values(
    resourcesOf(template, "aws_cloudwatch_metric_alarm"),
  )) {
    expect(dimensions).toEqual({
      DBClusterIdentifier: "shop",
      Role: "WRITER",
    });
  }
});

test("everything is in the source's account and region", () => {
  expect(stackOf("two-accounts")?.provider.aws).toEqual([
    expect.objectContaining({
      region: "eu-central-1",
      allowed_account_ids: ["333333333333"],
    }),
  ]);
});

test("the file's limits and parameters reach the group", () => {
  const { "source-database": template } = templatesOf(
    changedEnvironment("vpn-options", ({ source }) => {
      if (source.rds) source.rds.parameters = { work_mem: "65536" };
    }),
  );
  const { parameter } = onlyResource(template, "aws_db_parameter_group");
  expect(parameter).toEqual(
    expect.arrayContaining([
      {
        name: "max_slot_wal_keep_size",
        value: "20480",
        apply_method: "immediate",
      },
      {
        name: "max_replication_slots",
        value: "40",
        apply_method: "pending-reboot",
      },
      { name: "work_mem", value: "65536", apply_method: "immediate" },
    ]),
  );
});

describe("the outputs", () => {
  const textOf = (name: EnvironmentName) =>
    String(stackOf(name)?.output?.left_to_do?.value);

  test("are the group's name and what is left to do", () => {
    const output = stackOf("direct")?.output ?? {};
    expect(Object.keys(output)).toEqual(["left_to_do", "parameter_group_name"]);
    expect(output.parameter_group_name?.value).toMatch(
      /^\$\{aws_db_parameter_group\.\S+\.name\}$/,
    );
  });

  test("say how an instance gets the group", () => {
    const text = textOf("two-accounts");
    for (const command of [
      /`aws rds modify-db-instance --db-instance-identifier shop --db-parameter-group-name \$\{aws_db_parameter_group\.\S+\.name\} --apply-immediately --region eu-central-1`/,
      /`aws rds describe-db-instances .*ParameterApplyStatus' --output text --region eu-central-1`/,
      /`aws rds reboot-db-instance --db-instance-identifier shop --no-force-failover --region eu-central-1`/,
      /^Attach the group, /,
    ]) {
      expect(text).toMatch(command);
    }
  });

  test("say how a cluster gets it", () => {
    const text = textOf("aurora-source");
    expect(text).toMatch(
      /`aws rds modify-db-cluster --db-cluster-identifier shop --db-cluster-parameter-group-name \$\{aws_rds_cluster_parameter_group\.\S+\.name\} --apply-immediately --region us-west-1`/,
    );
    expect(text).toContain("IsClusterWriter");
    expect(text).toContain(
      "`aws rds reboot-db-instance --db-instance-identifier WRITER --region us-west-1`",
    );
  });

  test("warn of what else the group changes", () => {
    expect(textOf("direct")).toContain("clients without TLS are refused");
    const { "source-database": template } = templatesOf(
      changedEnvironment("direct", ({ source }) => {
        if (source.rds) source.rds.parameters = { "rds.force_ssl": "0" };
      }),
    );
    expect(template?.output?.left_to_do?.value).not.toContain("TLS");
  });

  test.each<EnvironmentName>(["direct", "aurora-source"])(
    "of %s are one sentence, in which Terraform replaces the name alone",
    (name) => {
      const text = textOf(name);
      expect(text.match(/\. |\.$/g)).toHaveLength(1);
      expect(text.match(/[$%]\{/g)).toHaveLength(1);
    },
  );
});
