import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { TerraformStack, Testing } from "cdktf";
import type { Environment } from "../../config/environment";
import { VpnServer } from "../../stacks/vpn-server";
import { environmentOf, publicKeys } from "../support/environments";
import { hostFile } from "../support/host-files";
import {
  onlyResource,
  resourcesOf,
  synthesize,
  type Template,
} from "../support/templates";

function templateOf(environment: Environment): Template {
  const { connection } = environment;
  if (connection.mode !== "vpn" || connection.server.kind !== "own") {
    throw new Error("no server of the kit's own");
  }
  const app = Testing.app();
  const stack = new TerraformStack(app, "worker");
  new AwsProvider(stack, "aws", { region: "us-west-1" });
  new VpnServer(stack, "vpn-server", {
    environment,
    connection,
    server: connection.server,
    nodePublicKey: publicKeys.node,
    account: { id: "111111111111", region: "us-west-1" },
    vpcId: "vpc-0fedcba9876543210",
    publicSubnetId: "subnet-0fedcba9876543212",
    workerCidr: "10.213.0.0/20",
    workerSecurityGroupId: "sg-0fedcba9876543210",
    routeTableIds: {
      a: "rtb-0fedcba9876543210",
      b: "rtb-0fedcba9876543211",
    },
    kmsKeyArn: "arn:aws:kms:us-west-1:111111111111:key/one",
    alertTopicArn: "arn:aws:sns:us-west-1:111111111111:alerts",
    secret: {
      name: "bemi/prod/wireguard/server",
      arn: "arn:aws:secretsmanager:us-west-1:111111111111:secret:one",
    },
  });
  return synthesize(app).worker as Template;
}

const NAT = templateOf(environmentOf("vpn-nat"));
const PROXY = templateOf(environmentOf("vpn-proxy"));

const routes = (template: Template) =>
  Object.values(resourcesOf(template, "aws_route"))
    .map(
      ({ route_table_id, destination_cidr_block }) =>
        `${route_table_id} ${destination_cidr_block}`,
    )
    .sort();

const userData = (template: Template) =>
  String(onlyResource(template, "aws_instance").user_data);

test("every private subnet's way to the database's subnets is the tunnel", () => {
  expect(routes(NAT)).toEqual([
    "rtb-0fedcba9876543210 10.20.30.0/24",
    "rtb-0fedcba9876543210 10.20.31.0/24",
    "rtb-0fedcba9876543211 10.20.30.0/24",
    "rtb-0fedcba9876543211 10.20.31.0/24",
  ]);
  for (const route of Object.values(resourcesOf(NAT, "aws_route"))) {
    expect(route.network_interface_id).toMatch(
      /^\$\{aws_instance\.\S+\.primary_network_interface_id\}$/,
    );
  }
});

// The database's subnets may be the worker's own there.
test("to a proxy only its address in the tunnel is routed", () => {
  expect(routes(PROXY)).toEqual([
    "rtb-0fedcba9876543210 100.64.77.2/32",
    "rtb-0fedcba9876543211 100.64.77.2/32",
  ]);
});

test("the server knows the node by its key, and nobody else", () => {
  const configuration = hostFile(userData(NAT), "/etc/wireguard/wg0.conf");
  expect(configuration.match(/PublicKey = .*/g)).toEqual([
    `PublicKey = ${publicKeys.node}`,
  ]);
  expect(configuration).toContain("Address = 100.64.77.1/32\n");
});

test("its log and its metrics are found by the names that all agree on", () => {
  expect(onlyResource(NAT, "aws_cloudwatch_log_group").name).toBe(
    "/bemi/vpn-nat/vpn-server",
  );
  expect(userData(NAT)).toContain("--namespace Bemi/Vpn ");
});

test("its options reach it", () => {
  const template = templateOf(environmentOf("vpn-options"));
  expect(userData(template)).toContain("generation 2.");
  expect(hostFile(userData(template), "/etc/wireguard/wg0.conf")).toContain(
    "Address = 100.64.99.1/32\n",
  );
  expect(
    Object.values(
      resourcesOf(template, "aws_vpc_security_group_ingress_rule"),
    ).map(({ cidr_ipv4 }) => cidr_ipv4),
  ).toContain("203.0.113.9/32");
});
