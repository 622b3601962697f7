import type { Environment } from "../../config/environment";
import {
  changedEnvironment,
  environmentOf,
  publicKeys,
} from "../support/environments";
import { hostFile } from "../support/host-files";
import {
  onlyResource,
  resourcesOf,
  type Template,
  templatesOf,
} from "../support/templates";

function nodeOf(environment: Environment): Template {
  const { "vpn-node": template } = templatesOf(environment);
  if (!template) throw new Error("no stack of the VPN node");
  return template;
}

const userData = (template: Template) =>
  String(onlyResource(template, "aws_instance").user_data);

const FOREIGN = nodeOf(environmentOf("vpn-foreign"));

test("the outputs are the two that are documented", () => {
  expect(FOREIGN.output).toEqual({
    wireguard_public_key: { value: publicKeys.node },
    vpn_node_private_ip: {
      value: expect.stringMatching(/^\$\{aws_instance\.\S+\.private_ip\}$/),
    },
  });
});

test("the public key is known before there is an instance, and stays", () => {
  const renewed = nodeOf(
    changedEnvironment("vpn-foreign", ({ connection }) => {
      if (connection.mode === "vpn") connection.node.generation = 2;
    }),
  );
  expect(userData(renewed)).not.toBe(userData(FOREIGN));
  expect(renewed.output).toEqual(FOREIGN.output);
});

test("the node dials a provider's server by its name", () => {
  expect(hostFile(userData(FOREIGN), "/etc/wireguard/wg0.conf")).toBe(
    `[Interface]
Address = 100.64.77.2/32
MTU = 1420
PreUp = nft -f /etc/bemi-vpn/nft.conf
PreUp = sysctl -qw net.ipv4.ip_forward=1
PostUp = /usr/local/sbin/bemi-vpn-key set

[Peer]
PublicKey = ${publicKeys.provider}
AllowedIPs = 100.64.77.1/32
Endpoint = vpn.provider.example:51820
PersistentKeepalive = 25
`,
  );
});

test("a provider's addresses inside the tunnel are taken as they are", () => {
  const template = nodeOf(
    changedEnvironment("vpn-foreign", ({ connection }) => {
      if (connection.mode !== "vpn") return;
      if (connection.server?.kind !== "foreign") return;
      connection.server.tunnelAddress = "10.99.0.1";
      connection.server.nodeTunnelAddress = "10.99.0.9";
    }),
  );
  const configuration = hostFile(userData(template), "/etc/wireguard/wg0.conf");
  expect(configuration).toContain("Address = 10.99.0.9/32\n");
  expect(configuration).toContain("AllowedIPs = 10.99.0.1/32\n");
});

test("it is in the source's account, with the source's key and topic", () => {
  expect(FOREIGN.provider.aws).toEqual([
    expect.objectContaining({
      allowed_account_ids: ["111111111111"],
      region: "us-west-1",
    }),
  ]);
  const { alarm_actions } = Object.values(
    resourcesOf(FOREIGN, "aws_cloudwatch_metric_alarm"),
  ).at(-1) as { alarm_actions: string[] };
  expect(alarm_actions.at(-1)).toContain("aws_sns_topic");
});

test("nothing but names, ids and ARNs comes from other stacks", () => {
  const references = JSON.stringify(FOREIGN).match(
    /cross-stack-output-[\w-]+/g,
  );
  expect(new Set(references)).toEqual(
    new Set(
      (references ?? []).filter((name) =>
        /^cross-stack-output-aws_(kms_key|sns_topic|secretsmanager_secret)\S*arn$/.test(
          name,
        ),
      ),
    ),
  );
  expect(references?.length).toBeGreaterThan(0);
});

test("its options reach it", () => {
  const template = nodeOf(
    changedEnvironment("vpn-foreign", ({ connection }) => {
      if (connection.mode !== "vpn") return;
      connection.node = {
        ...connection.node,
        instanceType: "t3.micro",
        architecture: "x86_64",
        amiId: "ami-0a1b2c3d4e5f60718",
        generation: 3,
        forwarding: "proxy",
        ssh: { keyName: "platform", cidrs: ["10.20.0.0/16"] },
        sessionManager: true,
      };
    }),
  );
  expect(onlyResource(template, "aws_instance")).toMatchObject({
    instance_type: "t3.micro",
    ami: "ami-0a1b2c3d4e5f60718",
    key_name: "platform",
    subnet_id: "subnet-0a1b2c3d4e5f60718",
  });
  expect(userData(template)).toContain("generation 3.");
  expect(userData(template)).toContain(
    "TCP4:shop.abcdef5ghij.us-west-1.rds.amazonaws.com:5432",
  );
  expect(JSON.stringify(template)).toContain("ssmmessages:OpenDataChannel");
});

describe("with a server of the kit's own", () => {
  const own = (name: "vpn-nat" | "two-accounts") =>
    changedEnvironment(name, (file) => {
      file.destination = {
        kind: "existing",
        host: "audit.abcdef5ghij.us-west-1.rds.amazonaws.com",
        database: "audit",
        user: "bemi",
      };
    });
  const nat = nodeOf(own("vpn-nat"));
  const twoAccounts = nodeOf(own("two-accounts"));

  test("the node dials the address that the worker's stack has", () => {
    expect(userData(nat)).toMatch(
      /^Endpoint = \$\{data\.terraform_remote_state\.cross-stack-reference-input-vpn-nat-worker\.outputs\.cross-stack-output-aws_eip\S+public_ip\}:51820$/m,
    );
    const rules = Object.values(
      resourcesOf(nat, "aws_vpc_security_group_egress_rule"),
    );
    expect(rules.map(({ cidr_ipv4 }) => cidr_ipv4)).toContainEqual(
      expect.stringMatching(/aws_eip\S+public_ip\}\/32$/),
    );
  });

  test("that address is all that Terraform puts into the script", () => {
    const tokens = userData(nat).match(/[$%]\{[^}]*\}/g) ?? [];
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).toContain("aws_eip");
  });

  test("it is in the source's account, with that account's key and topic", () => {
    expect(twoAccounts.provider.aws).toEqual([
      expect.objectContaining({
        allowed_account_ids: ["333333333333"],
        region: "eu-central-1",
      }),
    ]);
    const { kms_key_id } = onlyResource(
      twoAccounts,
      "aws_cloudwatch_log_group",
    );
    expect(kms_key_id).toContain("aws_kms_keysource-key");
    for (const alarm of Object.values(
      resourcesOf(twoAccounts, "aws_cloudwatch_metric_alarm"),
    )) {
      expect(JSON.stringify(alarm.alarm_actions)).toContain(
        "aws_sns_topicsource-alert-topic",
      );
    }
    expect(userData(twoAccounts)).toContain("--region eu-central-1");
  });

  test("no other stack has anything of the node's", () => {
    const { "vpn-node": _, ...others } = templatesOf(own("vpn-nat"));
    expect(Object.keys(others)).toContain("worker");
    expect(JSON.stringify(others)).not.toContain("vpn-nat-vpn-node");
  });
});

test.each(["direct", "ssh"] as const)("%s has no VPN node", (name) => {
  expect(Object.keys(templatesOf(environmentOf(name)))).not.toContain(
    "vpn-node",
  );
});

test("without keys it is left out, and the foundation is there to make them", () => {
  const templates = Object.keys(templatesOf(environmentOf("before-keys")));
  expect(templates).toContain("foundation");
  expect(templates).not.toContain("vpn-node");
});
