/** Machines, tasks and images. */
import type { Block } from "../support/templates";
import { at, listAt, type Rule, refersTo, some } from "./rule";

const INSTANCE = ["aws_instance"];
const TASK = ["aws_ecs_task_definition"];
const SERVICE = ["aws_ecs_service"];
const REPOSITORY = ["aws_ecr_repository"];

export const computeRules: readonly Rule[] = [
  {
    ids: ["CKV_AWS_79", "AWS-0028", "EC26"],
    says: "an instance answers IMDSv2 alone, one hop away",
    types: INSTANCE,
    holds: (instance) =>
      at(instance, "metadata_options.http_tokens") === "required" &&
      at(instance, "metadata_options.http_put_response_hop_limit") === 1,
    counterexample: { metadata_options: { http_tokens: "optional" } },
  },
  {
    ids: ["CKV_AWS_8", "AWS-0131"],
    says: "an instance's disk is encrypted by the environment's key",
    types: INSTANCE,
    holds: (instance) =>
      at(instance, "root_block_device.encrypted") === true &&
      at(instance, "root_block_device.kms_key_id") !== undefined,
    counterexample: { root_block_device: { encrypted: true } },
  },
  {
    ids: ["CKV_AWS_88", "AWS-0009"],
    says: "an instance gets no public address of its own",
    types: INSTANCE,
    holds: (instance) => at(instance, "associate_public_ip_address") !== true,
    counterexample: { associate_public_ip_address: true },
  },
  {
    ids: ["CKV_AWS_126", "EC28"],
    says: "an instance is monitored every minute",
    types: INSTANCE,
    holds: (instance) => at(instance, "monitoring") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_135"],
    says: "an instance is optimized for its disk",
    types: INSTANCE,
    holds: (instance) => at(instance, "ebs_optimized") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_46"],
    says: "user_data has no text of a secret key's length behind a name like key",
    types: INSTANCE,
    holds: (instance) =>
      !/key\s*[=:]\s*"?[A-Za-z0-9/+=]{40}/i.test(
        String(at(instance, "user_data")),
      ),
    counterexample: { user_data: `SECRET_KEY=${"a".repeat(40)}` },
  },
  {
    ids: ["CKV2_AWS_41"],
    says: "an instance has a role",
    types: INSTANCE,
    holds: (instance) => at(instance, "iam_instance_profile") !== undefined,
    counterexample: {},
  },
  {
    ids: ["user-data-replaces"],
    says: "changed user_data is a new instance: it is read once only",
    types: INSTANCE,
    holds: (instance) => at(instance, "user_data_replace_on_change") === true,
    counterexample: {},
  },
  {
    ids: ["ami-pinned"],
    says: "a newer image does not replace a running instance",
    types: INSTANCE,
    holds: (instance) =>
      listAt(instance, "lifecycle.ignore_changes").includes("ami"),
    counterexample: {},
  },
  {
    ids: ["classic-security-groups"],
    says: "an instance's groups are those of its VPC: others replace it at every deployment",
    types: INSTANCE,
    holds: (instance) => at(instance, "security_groups") === undefined,
    counterexample: { security_groups: ["sg-1"] },
  },
  {
    ids: ["EC29"],
    says: "an instance is not terminated before its protection is taken off",
    types: INSTANCE,
    holds: (instance) => at(instance, "disable_api_termination") === true,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_65", "AWS-0034", "ECS4"],
    says: "a cluster has Container Insights",
    types: ["aws_ecs_cluster"],
    holds: (cluster) =>
      listAt(cluster, "setting").some(
        (setting) =>
          at(setting, "name") === "containerInsights" &&
          ["enabled", "enhanced"].includes(String(at(setting, "value"))),
      ),
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_223", "CKV_AWS_224"],
    says: "nobody opens a session in a container, so there is none to log",
    types: SERVICE,
    holds: (service) => at(service, "enable_execute_command") !== true,
    counterexample: { enable_execute_command: true },
  },
  {
    ids: ["CKV_AWS_249"],
    says: "what starts a task and what the task may do are two roles",
    types: TASK,
    holds: (task) =>
      at(task, "execution_role_arn") !== undefined &&
      at(task, "execution_role_arn") !== at(task, "task_role_arn"),
    counterexample: { execution_role_arn: "a", task_role_arn: "a" },
  },
  {
    ids: ["CKV_AWS_335"],
    says: "a task has its processes to itself",
    types: TASK,
    holds: (task) =>
      at(task, "pid_mode") === undefined && at(task, "ipc_mode") === undefined,
    counterexample: { pid_mode: "host" },
  },
  {
    ids: ["CKV_AWS_334", "CKV_AWS_336", "ECS7"],
    says: "a container is unprivileged, read-only, nobody's root, without capabilities, and logs",
    types: TASK,
    holds: (task) =>
      containersOf(task).every(
        (container) =>
          at(container, "privileged") !== true &&
          at(container, "readonlyRootFilesystem") === true &&
          /^[1-9]\d*:[1-9]\d*$/.test(String(at(container, "user"))) &&
          listAt(container, "linuxParameters.capabilities.drop").join() ===
            "ALL" &&
          at(container, "logConfiguration.logDriver") === "awslogs",
      ),
    counterexample: { container_definitions: '[{"privileged":true}]' },
  },
  {
    ids: ["AWS-0036"],
    says: "no secret is among a container's plain variables",
    types: TASK,
    holds: (task) =>
      containersOf(task)
        .flatMap((container) => listAt(container, "environment"))
        .every(
          (variable) =>
            !/PASSWORD|PRIVATE_KEY|PASSPHRASE|TOKEN/.test(
              String(at(variable, "name")),
            ),
        ),
    counterexample: {
      container_definitions:
        '[{"environment":[{"name":"DB_PASSWORD","value":"x"}]}]',
    },
  },
  {
    ids: ["image-by-digest"],
    says: "a container's image is named by its digest",
    types: TASK,
    holds: (task) =>
      containersOf(task).every((container) =>
        /@sha256:[0-9a-f]{64}$/.test(String(at(container, "image"))),
      ),
    counterexample: { container_definitions: '[{"image":"worker:latest"}]' },
  },
  {
    ids: ["CKV_AWS_332"],
    says: "a service runs on Fargate's newest platform",
    types: SERVICE,
    holds: (service) =>
      ["LATEST", undefined].includes(
        at(service, "platform_version") as undefined,
      ),
    counterexample: { platform_version: "1.3.0" },
  },
  {
    ids: ["CKV_AWS_333"],
    says: "a task has no public address",
    types: SERVICE,
    holds: (service) =>
      at(service, "network_configuration.assign_public_ip") !== true,
    counterexample: { network_configuration: { assign_public_ip: true } },
  },
  {
    ids: ["one-reader"],
    says: "a slot has one task: no second one is started beside it",
    types: SERVICE,
    holds: (service) =>
      at(service, "desired_count") === 1 &&
      at(service, "deployment_minimum_healthy_percent") === 0 &&
      at(service, "deployment_maximum_percent") === 100 &&
      at(service, "availability_zone_rebalancing") === "DISABLED",
    counterexample: { desired_count: 1 },
  },
  {
    ids: ["CKV_AWS_51", "AWS-0031"],
    says: "an image's tag stays that image's",
    types: REPOSITORY,
    holds: (repository) =>
      at(repository, "image_tag_mutability") === "IMMUTABLE",
    counterexample: { image_tag_mutability: "MUTABLE" },
  },
  {
    ids: ["CKV_AWS_136", "AWS-0033"],
    says: "images are encrypted by the environment's key",
    types: REPOSITORY,
    holds: (repository) =>
      at(repository, "encryption_configuration.encryption_type") === "KMS" &&
      at(repository, "encryption_configuration.kms_key") !== undefined,
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_163", "AWS-0030", "ECR1"],
    says: "images are scanned when they are pushed",
    types: REPOSITORY,
    holds: (repository) =>
      at(repository, "image_scanning_configuration.scan_on_push") === true,
    counterexample: {},
  },
  {
    ids: ["image-lifecycle"],
    says: "images that nothing needs are removed",
    types: REPOSITORY,
    holds: (_repository, place) =>
      some(place, "aws_ecr_lifecycle_policy", (policy) =>
        refersTo(policy, place),
      ),
    counterexample: {},
  },
];

/** Of a definition that is JSON, or a call of jsonencode on some. */
export function containersOf(task: Block): readonly unknown[] {
  return decoded(at(task, "container_definitions")) as readonly unknown[];
}

export function decoded(text: unknown): unknown {
  if (typeof text !== "string") return [];
  const call = /^\$\{jsonencode\((.*)\)\}$/s.exec(text)?.[1];
  // In HCL's notation an object's keys are followed by an equals sign.
  return JSON.parse(
    (call ?? text).replace(/("(?:[^"\\]|\\.)*")\s*=\s*/g, "$1:"),
  );
}
