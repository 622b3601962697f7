/** VPCs, subnets, addresses, and what may pass between them. */
import { at, type Rule, refersTo, some } from "./rule";

const INGRESS = "aws_vpc_security_group_ingress_rule";
const EGRESS = "aws_vpc_security_group_egress_rule";
const isEverybody = (rule: unknown) =>
  at(rule, "cidr_ipv4") === "0.0.0.0/0" || at(rule, "cidr_ipv6") === "::/0";

export const networkRules: readonly Rule[] = [
  {
    ids: ["CKV_AWS_23", "AWS-0099", "AWS-0124"],
    says: "security groups and their rules are described",
    types: ["aws_security_group", INGRESS, EGRESS],
    holds: (group) => String(at(group, "description") ?? "").length > 5,
    counterexample: { description: "" },
  },
  {
    ids: ["aws_security_group_inline_rules"],
    says: "rules are resources of their own: inline ones fight with them",
    types: ["aws_security_group"],
    holds: (group) =>
      at(group, "ingress") === undefined && at(group, "egress") === undefined,
    counterexample: { ingress: [{ from_port: 22 }] },
  },
  {
    ids: ["security-group-vpc"],
    says: "a security group is of a VPC that is named, not of the default one",
    types: ["aws_security_group"],
    holds: (group) => at(group, "vpc_id") !== undefined,
    counterexample: { name: "a" },
  },
  {
    ids: ["CKV2_AWS_5"],
    says: "every security group is used",
    types: ["aws_security_group"],
    holds: (_group, place) =>
      [
        "aws_instance",
        "aws_network_interface",
        "aws_ecs_service",
        "aws_rds_cluster",
        "aws_vpc_endpoint",
        "aws_launch_template",
      ].some((type) => some(place, type, (user) => refersTo(user, place))),
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_24", "CKV_AWS_25", "CKV_AWS_260", "CKV_AWS_277"],
    says: "nothing but WireGuard's port is open to everybody",
    types: [INGRESS],
    holds: (rule) =>
      !isEverybody(rule) ||
      (at(rule, "ip_protocol") === "udp" &&
        at(rule, "from_port") === 51_820 &&
        at(rule, "to_port") === 51_820),
    counterexample: {
      cidr_ipv4: "0.0.0.0/0",
      ip_protocol: "tcp",
      from_port: 22,
    },
  },
  {
    ids: ["AWS-0107"],
    says: "nothing at all is open to everybody",
    types: [INGRESS],
    holds: (rule) => !isEverybody(rule),
    counterexample: { cidr_ipv4: "0.0.0.0/0" },
  },
  {
    ids: ["CKV_AWS_382"],
    says: "nobody may go everywhere on every port",
    types: [EGRESS],
    holds: (rule) =>
      at(rule, "ip_protocol") !== "-1" &&
      (!isEverybody(rule) || at(rule, "from_port") === at(rule, "to_port")),
    counterexample: { cidr_ipv4: "0.0.0.0/0", ip_protocol: "-1" },
  },
  {
    ids: ["AWS-0104"],
    says: "nobody may go everywhere on any port",
    types: [EGRESS],
    holds: (rule) => !isEverybody(rule),
    counterexample: { cidr_ipv4: "0.0.0.0/0", from_port: 443, to_port: 443 },
  },
  {
    ids: ["CKV2_AWS_11", "AWS-0178", "VPC7"],
    says: "a VPC's traffic is logged",
    types: ["aws_vpc"],
    holds: (_vpc, place) =>
      some(
        place,
        "aws_flow_log",
        (log) =>
          refersTo(at(log, "vpc_id"), place) &&
          at(log, "traffic_type") === "ALL",
      ),
    counterexample: {},
  },
  {
    ids: ["CKV2_AWS_12", "AWS-0173"],
    says: "a VPC's default security group lets nothing pass",
    types: ["aws_vpc"],
    holds: (_vpc, place) =>
      some(
        place,
        "aws_default_security_group",
        (group) =>
          refersTo(at(group, "vpc_id"), place) &&
          at(group, "ingress.0") === undefined &&
          at(group, "egress.0") === undefined,
      ),
    counterexample: {},
  },
  {
    ids: ["CKV_AWS_130", "AWS-0164"],
    says: "no subnet gives out public addresses by itself",
    types: ["aws_subnet"],
    holds: (subnet) => at(subnet, "map_public_ip_on_launch") !== true,
    counterexample: { map_public_ip_on_launch: true },
  },
  {
    ids: ["CKV2_AWS_19"],
    says: "an elastic address is an instance's or a NAT gateway's",
    types: ["aws_eip"],
    holds: (_address, place) =>
      some(place, "aws_nat_gateway", (gateway) => refersTo(gateway, place)) ||
      some(
        place,
        "aws_eip_association",
        (one) => refersTo(one, place) && at(one, "instance_id") !== undefined,
      ),
    counterexample: {},
  },
  {
    ids: ["CKV2_AWS_35", "CKV2_AWS_44"],
    says: "the way to everywhere is a gateway, not a machine or a peer",
    types: ["aws_route"],
    holds: (route) =>
      at(route, "destination_cidr_block") !== "0.0.0.0/0" ||
      at(route, "gateway_id") !== undefined ||
      at(route, "nat_gateway_id") !== undefined,
    counterexample: {
      destination_cidr_block: "0.0.0.0/0",
      network_interface_id: "eni-1",
    },
  },
];
