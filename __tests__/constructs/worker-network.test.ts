import { Testing } from "cdktf";
import { OwnWorkerNetwork } from "../../constructs/worker-network";
import {
  type Block,
  onlyResource,
  resourcesOf,
  type Template,
} from "../support/templates";

const zones = [
  {
    availabilityZone: "us-west-1a",
    publicCidr: "10.213.0.0/22",
    privateCidr: "10.213.8.0/22",
  },
  {
    availabilityZone: "us-west-1b",
    publicCidr: "10.213.4.0/22",
    privateCidr: "10.213.12.0/22",
  },
];

function templateOf(order = zones): Template {
  const text = Testing.synthScope((scope) => {
    new OwnWorkerNetwork(scope, "network", {
      name: "bemi-prod",
      region: "us-west-1",
      accountId: "111111111111",
      cidr: "10.213.0.0/20",
      zones: order,
      flowLog: {
        logGroupName: "/bemi/prod/network",
        retentionDays: 365,
        kmsKeyArn: "arn:aws:kms:us-west-1:111111111111:key/1",
      },
    });
  });
  return JSON.parse(text) as Template;
}

const template = templateOf();
const all = (type: string): [string, Block][] =>
  Object.entries(resourcesOf(template, type));

test("two public and two private subnets give no instance a public address", () => {
  const subnets = all("aws_subnet").map(([, subnet]) => subnet);
  expect(subnets).toHaveLength(4);
  for (const subnet of subnets)
    expect(subnet.map_public_ip_on_launch).toBe(false);
  const places = subnets.map(
    ({ availability_zone, cidr_block }) => `${availability_zone} ${cidr_block}`,
  );
  expect(places.sort()).toEqual([
    "us-west-1a 10.213.0.0/22",
    "us-west-1a 10.213.8.0/22",
    "us-west-1b 10.213.12.0/22",
    "us-west-1b 10.213.4.0/22",
  ]);
});

test("what is started without a security group of its own is closed", () => {
  const group = onlyResource(template, "aws_default_security_group");
  expect(group).not.toHaveProperty("ingress");
  expect(group).not.toHaveProperty("egress");
});

test("private subnets reach the internet through the NAT gateway, public ones directly", () => {
  const routes = all("aws_route").map(([id, route]) => ({ id, ...route }));
  expect(routes).toHaveLength(4);
  for (const route of routes) {
    const isPrivate = route.id.includes("private");
    expect(route).toMatchObject({ destination_cidr_block: "0.0.0.0/0" });
    expect(Object.keys(route)).toContain(
      isPrivate ? "nat_gateway_id" : "gateway_id",
    );
  }
});

test("route tables have no routes inside them, which would undo others' routes", () => {
  for (const [, table] of all("aws_route_table"))
    expect(table).not.toHaveProperty("route");
});

test("there is one way out with one address, which waits for its own way out", () => {
  const nat = onlyResource(template, "aws_nat_gateway");
  expect(nat).toMatchObject({
    connectivity_type: "public",
    allocation_id: expect.stringMatching(/^\$\{aws_eip\..*\.id\}$/),
    subnet_id: expect.stringContaining("public-us-west-1a"),
  });
  expect(String(nat.depends_on)).toContain("aws_route.");
  expect(onlyResource(template, "aws_eip").domain).toBe("vpc");
});

test("nothing is written to S3 through the endpoint", () => {
  const endpoint = onlyResource(template, "aws_vpc_endpoint");
  expect(endpoint).toMatchObject({
    vpc_endpoint_type: "Gateway",
    service_name: "com.amazonaws.us-west-1.s3",
  });
  expect(endpoint.route_table_ids).toHaveLength(4);
  const { Statement } = JSON.parse(String(endpoint.policy));
  expect(Statement.map(({ Action }: { Action: string }) => Action)).toEqual([
    "s3:GetObject",
  ]);
});

test("every connection is in an encrypted log that is kept for as long as asked", () => {
  expect(onlyResource(template, "aws_flow_log")).toMatchObject({
    traffic_type: "ALL",
    log_destination_type: "cloud-watch-logs",
    max_aggregation_interval: 60,
  });
  expect(onlyResource(template, "aws_cloudwatch_log_group")).toMatchObject({
    name: "/bemi/prod/network",
    retention_in_days: 365,
    kms_key_id: "arn:aws:kms:us-west-1:111111111111:key/1",
  });
});

test("the flow log's role is for flow logs of this account, and writes that log alone", () => {
  const role = onlyResource(template, "aws_iam_role");
  const [trust] = JSON.parse(String(role.assume_role_policy)).Statement;
  expect(trust).toMatchObject({
    Principal: { Service: "vpc-flow-logs.amazonaws.com" },
    Condition: {
      StringEquals: { "aws:SourceAccount": "111111111111" },
      ArnLike: {
        "aws:SourceArn": "arn:aws:ec2:us-west-1:111111111111:vpc-flow-log/*",
      },
    },
  });
  const { policy } = onlyResource(template, "aws_iam_role_policy");
  const [allow] = JSON.parse(String(policy)).Statement;
  for (const resource of allow.Resource)
    expect(resource).toMatch(/^\$\{aws_cloudwatch_log_group\./);
});

test("subnets are known by their zone: another order makes none anew", () => {
  const ids = (from: Template) =>
    Object.keys(resourcesOf(from, "aws_subnet")).sort();
  expect(ids(templateOf(zones.toReversed()))).toEqual(ids(template));
});
