/** Databases, keys, secrets, logs, topics and alarms. */
import { at, listAt, type Rule, refersTo, some } from "./rule";

const CLUSTER = ["aws_rds_cluster"];
const CLUSTER_INSTANCE = ["aws_rds_cluster_instance"];
const LOG_GROUP = ["aws_cloudwatch_log_group"];

export const dataRules: readonly Rule[] = [
  {
    ids: ["CKV_AWS_96", "CKV_AWS_327", "AWS-0079", "RDS2"],
    says: "a database is encrypted by the environment's key",
    types: CLUSTER,
    holds: (cluster) =>
      at(cluster, "storage_encrypted") === true &&
      at(cluster, "kms_key_id") !== undefined,
    counterexample: { storage_encrypted: true },
  },
  {
    ids: ["managed-password"],
    says: "RDS keeps the administrator's password, and Terraform never has it",
    types: CLUSTER,
    holds: (cluster) =>
      at(cluster, "manage_master_user_password") === true &&
      at(cluster, "master_password") === undefined &&
      at(cluster, "master_user_secret_kms_key_id") !== undefined,
    counterexample: { master_password: "x" },
  },
  {
    ids: ["CKV_AWS_139", "AWS-0343", "RDS10"],
    says: "a database is protected from its deletion",
    types: CLUSTER,
    holds: (cluster) => at(cluster, "deletion_protection") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_133", "AWS-0077", "RDS13"],
    says: "a database is backed up for a week at least",
    types: CLUSTER,
    holds: (cluster) => Number(at(cluster, "backup_retention_period")) >= 7,
    counterexample: { backup_retention_period: 1 },
  },
  {
    ids: ["final-snapshot"],
    says: "a deleted database leaves a snapshot",
    types: CLUSTER,
    holds: (cluster) =>
      at(cluster, "skip_final_snapshot") === false &&
      at(cluster, "final_snapshot_identifier") !== undefined,
    counterexample: { skip_final_snapshot: true },
  },
  {
    ids: ["CKV_AWS_162", "AWS-0176", "RDS6"],
    says: "a database takes IAM's tokens",
    types: CLUSTER,
    holds: (cluster) =>
      at(cluster, "iam_database_authentication_enabled") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_313"],
    says: "snapshots have the database's tags",
    types: CLUSTER,
    holds: (cluster) => at(cluster, "copy_tags_to_snapshot") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_324"],
    says: "a database's log is exported",
    types: CLUSTER,
    holds: (cluster) =>
      listAt(cluster, "enabled_cloudwatch_logs_exports").includes("postgresql"),
    counterexample: {},
  },
  {
    ids: ["CKV2_AWS_27"],
    says: "a database says which statements it logs, and how slow ones",
    types: CLUSTER,
    holds: (_cluster, place) =>
      some(place, "aws_rds_cluster_parameter_group", (group) => {
        const names = listAt(group, "parameter").map((one) => at(one, "name"));
        return (
          names.includes("log_statement") &&
          names.includes("log_min_duration_statement")
        );
      }),
    counterexample: {},
  },
  {
    ids: ["CKV2_AWS_8"],
    says: "a database is in a plan of AWS Backup",
    types: CLUSTER,
    holds: (_cluster, place) =>
      some(place, "aws_backup_selection", (selection) =>
        refersTo(selection, place),
      ),
    counterexample: {},
  },
  {
    ids: ["RDS11"],
    says: "a database has another port than everybody's",
    types: CLUSTER,
    holds: (cluster) =>
      ![undefined, 5432].includes(at(cluster, "port") as number),
    counterexample: { port: 5432 },
  },
  {
    ids: ["CKV_AWS_17", "AWS-0180"],
    says: "a database has no public address",
    types: CLUSTER_INSTANCE,
    holds: (instance) => at(instance, "publicly_accessible") === false,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_118"],
    says: "a database's system is monitored",
    types: CLUSTER_INSTANCE,
    holds: (instance) =>
      [1, 5, 10, 15, 30, 60].includes(
        Number(at(instance, "monitoring_interval")),
      ) && at(instance, "monitoring_role_arn") !== undefined,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_226"],
    says: "a database gets minor versions by itself",
    types: CLUSTER_INSTANCE,
    holds: (instance) => at(instance, "auto_minor_version_upgrade") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_353", "CKV_AWS_354", "AWS-0133", "AWS-0078"],
    says: "a database's performance is recorded, encrypted by the environment's key",
    types: CLUSTER_INSTANCE,
    holds: (instance) =>
      at(instance, "performance_insights_enabled") === true &&
      at(instance, "performance_insights_kms_key_id") !== undefined,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_66", "CKV_AWS_338"],
    says: "logs are kept for a year",
    types: LOG_GROUP,
    holds: (group) => Number(at(group, "retention_in_days")) >= 365,
    counterexample: { retention_in_days: 30 },
  },
  {
    ids: ["CKV_AWS_158", "AWS-0017"],
    says: "logs are encrypted by the environment's key",
    types: LOG_GROUP,
    holds: (group) => at(group, "kms_key_id") !== undefined,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_149", "AWS-0098"],
    says: "secrets are encrypted by the environment's key",
    types: ["aws_secretsmanager_secret"],
    holds: (secret) => at(secret, "kms_key_id") !== undefined,
    counterexample: {},
  },
  {
    ids: ["CKV2_AWS_57", "SMG4"],
    says: "secrets are rotated by AWS",
    types: ["aws_secretsmanager_secret"],
    holds: (_secret, place) =>
      some(place, "aws_secretsmanager_secret_rotation", (rotation) =>
        refersTo(rotation, place),
      ),
    counterexample: {},
  },
  {
    ids: ["block-public-policy"],
    says: "a secret's policy can never be a public one",
    types: ["aws_secretsmanager_secret_policy"],
    holds: (policy) => at(policy, "block_public_policy") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_7", "AWS-0065", "KMS5"],
    says: "keys are rotated by AWS",
    types: ["aws_kms_key"],
    holds: (key) => at(key, "enable_key_rotation") === true,
    counterexample: {},
  },
  {
    ids: ["CKV2_AWS_64"],
    says: "a key says who may use it",
    types: ["aws_kms_key"],
    holds: (key) => at(key, "policy") !== undefined,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_26", "AWS-0095", "AWS-0136"],
    says: "a topic is encrypted by the environment's key",
    types: ["aws_sns_topic"],
    holds: (topic) => at(topic, "kms_master_key_id") !== undefined,
    counterexample: {},
  },
  {
    ids: ["SNS3"],
    says: "a topic takes nothing that is not encrypted on its way",
    types: ["aws_sns_topic_policy"],
    holds: (policy) =>
      String(at(policy, "policy")).includes('"aws:SecureTransport":"false"'),
    counterexample: { policy: "{}" },
  },
  {
    ids: ["CKV_AWS_319"],
    says: "an alarm tells somebody",
    types: ["aws_cloudwatch_metric_alarm"],
    holds: (alarm) =>
      at(alarm, "actions_enabled") !== false &&
      (listAt(alarm, "alarm_actions").length > 0 ||
        at(alarm, "actions_enabled") === undefined),
    counterexample: { actions_enabled: false },
  },
  {
    ids: ["alarm-remedy"],
    says: "an alarm says what is wrong, and what to do",
    types: ["aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"],
    holds: (alarm) => String(at(alarm, "alarm_description") ?? "").length > 20,
    counterexample: {},
  },
];
