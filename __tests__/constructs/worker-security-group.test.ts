import { Testing } from "cdktf";
import {
  type Egress,
  WorkerSecurityGroup,
} from "../../constructs/worker-security-group";
import { resourcesOf, type Template } from "../support/templates";

function rulesOf(egress: Readonly<Record<string, Egress>>) {
  const text = Testing.synthScope((scope) => {
    const group = new WorkerSecurityGroup(scope, "group", {
      name: "bemi-prod",
      vpcId: "vpc-1",
    });
    for (const [id, one] of Object.entries(egress)) group.allow(id, one);
  });
  const rules = resourcesOf(
    JSON.parse(text) as Template,
    "aws_vpc_security_group_egress_rule",
  );
  return Object.values(rules).sort(
    (a, b) => Number(a.from_port) - Number(b.from_port),
  );
}

const description = "PostgreSQL: the source";

test("a rule leads to a network or to another group, on one port", () => {
  const [toAws, toNetwork, toGroup, ...more] = rulesOf({
    network: { port: 5432, to: { cidr: "10.20.30.0/24" }, description },
    group: { port: 5433, to: { securityGroupId: "sg-1" }, description },
  });
  expect(more).toEqual([]);
  expect(toAws).toMatchObject({ from_port: 443, to_port: 443 });
  expect(toNetwork).toMatchObject({
    ip_protocol: "tcp",
    from_port: 5432,
    to_port: 5432,
    cidr_ipv4: "10.20.30.0/24",
  });
  expect(toNetwork).not.toHaveProperty("referenced_security_group_id");
  expect(toGroup).toMatchObject({ referenced_security_group_id: "sg-1" });
  expect(toGroup).not.toHaveProperty("cidr_ipv4");
});

// EC2 would refuse the second one, in the middle of the deployment.
test("source and destination at the same place are one rule", () => {
  const to = { cidr: "0.0.0.0/0" };
  const rules = rulesOf({
    source: { port: 5432, to, description },
    destination: { port: 5432, to, description },
    other: { port: 5433, to, description },
  });
  expect(rules.map(({ from_port }) => from_port)).toEqual([443, 5432, 5433]);
});
