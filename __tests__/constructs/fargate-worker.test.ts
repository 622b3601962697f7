import { spawn } from "node:child_process";
import { Testing } from "cdktf";
import {
  FargateWorker,
  type WorkerTask,
} from "../../constructs/fargate-worker";
import { WorkerSecurityGroup } from "../../constructs/worker-security-group";
import { serveHttp } from "../../worker/http";
import { Status } from "../../worker/status";
import { onlyResource, resourcesOf, type Template } from "../support/templates";

const secretArn =
  "arn:aws:secretsmanager:us-west-1:111111111111:secret:bemi/prod/source-AbCdEf";
const all: WorkerTask = {
  id: "all",
  name: "bemi-prod-worker",
  environment: { SLOT_NAME: "bemi", DB_NAME: "shop" },
  secrets: { DB_PASSWORD: { arn: secretArn, key: "password" } },
};

function templateOf(
  tasks: readonly WorkerTask[] = [all],
  healthPort = 8080,
): Template {
  const text = Testing.synthScope((scope) => {
    const securityGroup = new WorkerSecurityGroup(scope, "security-group", {
      name: "bemi-prod",
      vpcId: "vpc-1",
    });
    securityGroup.allow("source", {
      port: 5432,
      to: { cidr: "10.20.30.0/24" },
      description: "PostgreSQL: the source",
    });
    new FargateWorker(scope, "worker", {
      name: "bemi-prod",
      region: "us-west-1",
      accountId: "111111111111",
      kmsKeyArn: "arn:aws:kms:us-west-1:111111111111:key/1",
      image: "example/worker@sha256:abc",
      repositoryArn: "arn:aws:ecr:us-west-1:111111111111:repository/worker",
      cpuUnits: 512,
      memoryMib: 1024,
      architecture: "arm64",
      subnetIds: ["subnet-1", "subnet-2"],
      securityGroup,
      logGroupName: "/bemi/prod/worker",
      logRetentionDays: 365,
      healthPort,
      tasks,
    });
  });
  return JSON.parse(text) as Template;
}

const template = templateOf();

function containerOf(from: Template) {
  const definition = onlyResource(from, "aws_ecs_task_definition");
  const [container, ...others] = JSON.parse(
    String(definition.container_definitions),
  );
  expect(others).toEqual([]);
  return container;
}

function statementsOf(policy: unknown) {
  return JSON.parse(String(policy)).Statement as {
    Action: string | string[];
    Resource: string | string[];
    Condition?: unknown;
  }[];
}

test("a slot has one task: the old one ends before the new one begins", () => {
  expect(onlyResource(template, "aws_ecs_service")).toMatchObject({
    desired_count: 1,
    deployment_minimum_healthy_percent: 0,
    deployment_maximum_percent: 100,
    availability_zone_rebalancing: "DISABLED",
    deployment_circuit_breaker: { enable: true, rollback: true },
    launch_type: "FARGATE",
    platform_version: "LATEST",
    propagate_tags: "SERVICE",
    enable_execute_command: false,
  });
});

test("a task has no public address and is nobody's server", () => {
  expect(onlyResource(template, "aws_ecs_service")).toMatchObject({
    network_configuration: {
      assign_public_ip: false,
      subnets: ["subnet-1", "subnet-2"],
    },
  });
  const types = Object.keys(template.resource ?? {});
  expect(types).not.toContain("aws_vpc_security_group_ingress_rule");
  const group = onlyResource(template, "aws_security_group");
  expect(group).not.toHaveProperty("ingress");
  expect(group).not.toHaveProperty("egress");
});

test("the deployment does not wait for a stream, which needs the stacks after it", () => {
  const service = onlyResource(template, "aws_ecs_service");
  expect(service.wait_for_steady_state).toBe(false);
});

test("no task starts before its role may fetch the image and its group lets it", () => {
  const { depends_on } = onlyResource(template, "aws_ecs_service");
  const needed = [
    ...Object.keys(resourcesOf(template, "aws_iam_role_policy")).map(
      (id) => `aws_iam_role_policy.${id}`,
    ),
    ...Object.keys(
      resourcesOf(template, "aws_vpc_security_group_egress_rule"),
    ).map((id) => `aws_vpc_security_group_egress_rule.${id}`),
  ];
  expect(needed).toHaveLength(3);
  expect(depends_on).toEqual(expect.arrayContaining(needed));
});

test("the container can do little: no root, no capability, nothing to write to", () => {
  expect(containerOf(template)).toMatchObject({
    user: "10001:10001",
    readonlyRootFilesystem: true,
    privileged: false,
    linuxParameters: {
      initProcessEnabled: true,
      capabilities: { drop: ["ALL"] },
    },
  });
});

test("the container is stopped in order, and replaced when its worker says so", () => {
  const { healthCheck, stopTimeout, essential } = containerOf(template);
  expect({ stopTimeout, essential }).toEqual({
    stopTimeout: 120,
    essential: true,
  });
  // ECS takes 300 s at most.
  expect(healthCheck).toMatchObject({ startPeriod: 300, retries: 3 });
});

test("the container's check asks the worker itself, and takes no for an answer", async () => {
  const status = new Status();
  status.state = "streaming";
  await using http = await serveHttp(
    { host: "127.0.0.1", port: 0 },
    status,
    async () => "",
  );
  const { healthCheck } = containerOf(templateOf([all], http.port));
  const [kind, program, ...parameters] = healthCheck.command as string[];
  expect([kind, program]).toEqual(["CMD", "node"]);
  const check = () =>
    new Promise<number | null>((resolve) => {
      spawn(process.execPath, parameters).on("close", resolve);
    });
  expect(await check()).toBe(0);
  status.state = "waiting";
  expect(await check()).toBe(1);
});

test("a worker that does not answer fails the check", async () => {
  const { healthCheck } = containerOf(templateOf([all], 1));
  const [, , ...parameters] = healthCheck.command as string[];
  const code = await new Promise<number | null>((resolve) => {
    spawn(process.execPath, parameters).on("close", resolve);
  });
  expect(code).toBe(1);
});

test("its log is the encrypted one, and a full buffer stops no trail", () => {
  const { options } = containerOf(template).logConfiguration;
  expect(options).toMatchObject({
    "awslogs-region": "us-west-1",
    "awslogs-stream-prefix": "bemi-prod-worker",
    mode: "non-blocking",
    "max-buffer-size": "25m",
  });
  expect(options["awslogs-group"]).toMatch(/^\$\{aws_cloudwatch_log_group\./);
  expect(onlyResource(template, "aws_cloudwatch_log_group")).toMatchObject({
    name: "/bemi/prod/worker",
    retention_in_days: 365,
    kms_key_id: expect.stringContaining(":key/1"),
  });
});

test("secrets are references to a key of a secret, and never values", () => {
  const { environment, secrets } = containerOf(template);
  expect(secrets).toEqual([
    { name: "DB_PASSWORD", valueFrom: `${secretArn}:password::` },
  ]);
  expect(environment).toEqual([
    { name: "DB_NAME", value: "shop" },
    { name: "SLOT_NAME", value: "bemi" },
  ]);
});

test("text that Terraform would take for an expression stays text", () => {
  const name = ["a$", "{b}%", "{c}$$"].join("");
  const text = templateOf([{ ...all, environment: { DB_NAME: name } }]);
  const [{ value }] = containerOf(text).environment;
  expect(value).toBe(["a$$", "{b}%%", "{c}$$"].join(""));
});

test.each([
  ["arm64", "ARM64"],
  ["x86_64", "X86_64"],
] as const)("%s is what Fargate calls %s", (architecture, expected) => {
  const text = Testing.synthScope((scope) => {
    const securityGroup = new WorkerSecurityGroup(scope, "group", {
      name: "n",
      vpcId: "vpc-1",
    });
    new FargateWorker(scope, "worker", {
      ...{ name: "n", region: "us-west-1", accountId: "111111111111" },
      ...{ kmsKeyArn: "k", image: "i", repositoryArn: "r", healthPort: 1 },
      ...{ cpuUnits: 512, memoryMib: 1024, logRetentionDays: 1 },
      ...{ subnetIds: [], logGroupName: "l", securityGroup, tasks: [all] },
      architecture,
    });
  });
  expect(
    onlyResource(JSON.parse(text) as Template, "aws_ecs_task_definition"),
  ).toMatchObject({
    cpu: "512",
    memory: "1024",
    network_mode: "awsvpc",
    requires_compatibilities: ["FARGATE"],
    runtime_platform: {
      cpu_architecture: expected,
      operating_system_family: "LINUX",
    },
  });
});

test("the worker's own role is another than the one that starts it, and may do nothing", () => {
  const definition = onlyResource(template, "aws_ecs_task_definition");
  const { execution_role_arn, task_role_arn } = definition;
  expect(task_role_arn).toMatch(/^\$\{aws_iam_role\..*task/);
  expect(task_role_arn).not.toBe(execution_role_arn);
  const { role } = onlyResource(template, "aws_iam_role_policy");
  expect(role).toContain("execution");
  const types = Object.keys(template.resource ?? {});
  expect(types).not.toContain("aws_iam_role_policy_attachment");
});

test("both roles are for tasks of this account alone", () => {
  const roles = Object.values(resourcesOf(template, "aws_iam_role"));
  expect(roles).toHaveLength(2);
  for (const { assume_role_policy } of roles) {
    expect(statementsOf(assume_role_policy)).toEqual([
      {
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Principal: { Service: "ecs-tasks.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": "111111111111" },
          ArnLike: { "aws:SourceArn": "arn:aws:ecs:us-west-1:111111111111:*" },
        },
      },
    ]);
  }
});

test("starting a task needs its image, its log, its secrets, and nothing else", () => {
  const { policy } = onlyResource(template, "aws_iam_role_policy");
  const [token, image, log, secrets, key, ...more] = statementsOf(policy);
  expect(more).toEqual([]);
  expect(token).toMatchObject({
    Action: "ecr:GetAuthorizationToken",
    Resource: "*",
  });
  expect(image?.Resource).toMatch(/^arn:aws:ecr:/);
  expect(log).toMatchObject({
    Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
    Resource: expect.stringMatching(/^\$\{aws_cloudwatch_log_group\..*:\*$/),
  });
  expect(secrets).toMatchObject({
    Action: "secretsmanager:GetSecretValue",
    Resource: [secretArn],
  });
  expect(key).toMatchObject({
    Action: "kms:Decrypt",
    Resource: "arn:aws:kms:us-west-1:111111111111:key/1",
    Condition: {
      StringEquals: {
        "kms:ViaService": "secretsmanager.us-west-1.amazonaws.com",
      },
    },
  });
});

test("several slots have a service each, and a secret of all is allowed once", () => {
  const shards = templateOf([
    { ...all, id: "shard-a", name: "bemi-prod-worker-a" },
    { ...all, id: "shard-b", name: "bemi-prod-worker-b" },
  ]);
  const services = Object.values(resourcesOf(shards, "aws_ecs_service"));
  expect(services.map(({ name }) => name)).toEqual([
    "bemi-prod-worker-a",
    "bemi-prod-worker-b",
  ]);
  const definitions = services.map((service) => service.task_definition);
  expect(new Set(definitions).size).toBe(2);
  const { policy } = onlyResource(shards, "aws_iam_role_policy");
  expect(statementsOf(policy)[3]?.Resource).toEqual([secretArn]);
});

test("the cluster measures its tasks", () => {
  expect(onlyResource(template, "aws_ecs_cluster").setting).toEqual([
    { name: "containerInsights", value: "enhanced" },
  ]);
});
