import type { Environment } from "../../config/environment";
import { readSettings } from "../../worker/settings/settings";
import {
  changedEnvironment,
  type EnvironmentFile,
  type EnvironmentName,
  environmentNames,
  environmentOf,
  publicKeys,
} from "../support/environments";
import { generateSshKey } from "../support/ssh-keys";
import {
  type Block,
  onlyResource,
  resourcesOf,
  type Template,
  templatesOf,
} from "../support/templates";

const templates = new Map<EnvironmentName, Template>();

/** As the file has it; with most of them the kit makes the destination. */
function complete(name: EnvironmentName): Template {
  const template = templates.get(name) ?? workerOf(environmentOf(name));
  templates.set(name, template);
  return template;
}

const existingDestination: EnvironmentFile["destination"] = {
  kind: "existing",
  host: "203.0.113.5",
  database: "audit",
  user: "bemi",
};

function workerOf(environment: Environment): Template {
  const { worker } = templatesOf(environment);
  if (!worker) throw new Error("no worker");
  return worker;
}

function fresh(name: EnvironmentName): Template {
  return workerOf(
    changedEnvironment(name, (file) => {
      file.destination = existingDestination;
    }),
  );
}

const made = new Map<EnvironmentName, Template>();

/** In front of a destination that was there, which is the least to look at. */
function plain(name: EnvironmentName): Template {
  const template = made.get(name) ?? fresh(name);
  made.set(name, template);
  return template;
}

const withWorker = environmentNames.filter(
  (name) => environmentOf(name).worker,
);

function all(template: Template, type: string): Block[] {
  return Object.values(resourcesOf(template, type));
}

/** Rules of the worker's own group, as in `5432 10.20.30.0/24`. */
function egressOf(template: Template): string[] {
  const [group] = Object.keys(
    resourcesOf(template, "aws_security_group"),
  ).filter((id) => id.startsWith("security-group_"));
  return all(template, "aws_vpc_security_group_egress_rule")
    .filter(({ security_group_id }) =>
      String(security_group_id).includes(`.${group}.`),
    )
    .map(
      ({ from_port, cidr_ipv4, referenced_security_group_id }) =>
        `${from_port} ${cidr_ipv4 ?? referenced_security_group_id}`,
    )
    .sort();
}

const toAws = "443 0.0.0.0/0";
const toDestination = "5432 203.0.113.5/32";

test.each<[EnvironmentName, string[]]>([
  ["direct", ["5432 0.0.0.0/0"]],
  ["ssh", ["22 0.0.0.0/0"]],
  ["vpn-nat", ["5432 10.20.30.0/24", "5432 10.20.31.0/24"]],
  ["vpn-proxy", ["5432 100.64.77.2/32"]],
  ["existing-network", ["5432 10.20.30.0/24", "5432 10.20.31.0/24"]],
])("%s: the worker gets to the source, and not further", (name, source) => {
  const expected = [toAws, toDestination, ...source].sort();
  expect(egressOf(plain(name))).toEqual(expected);
});

test("the kit's own destination is reached, and its group only", () => {
  const reached = egressOf(complete("direct"));
  expect(reached).toHaveLength(3);
  expect(reached).toEqual(
    expect.arrayContaining([
      toAws,
      "5432 0.0.0.0/0",
      expect.stringMatching(
        /^5432 \$\{aws_security_group\.audit-database_.*\.id\}$/,
      ),
    ]),
  );
  const [rule] = all(complete("direct"), "aws_vpc_security_group_ingress_rule");
  expect(rule).toMatchObject({
    security_group_id: expect.stringContaining("audit-database"),
    referenced_security_group_id: expect.stringMatching(
      /^\$\{aws_security_group\.security-group_/,
    ),
  });
});

test("the kit's own destination is what the file asks for", () => {
  const template = complete("vpn-options");
  expect(onlyResource(template, "aws_rds_cluster")).toMatchObject({
    cluster_identifier: "bemi-vpn-options-audit",
    final_snapshot_identifier: "bemi-vpn-options-audit-final",
    serverlessv2_scaling_configuration: { min_capacity: 0.5, max_capacity: 8 },
    deletion_protection: true,
  });
  expect(all(template, "aws_rds_cluster_instance")).toHaveLength(2);
  expect(template.output?.destination_endpoint?.value).toMatch(
    /^\$\{aws_rds_cluster\..*\.endpoint\}:5432$/,
  );
});

test("a trail that is deleted a second time leaves another snapshot", () => {
  const again = changedEnvironment("direct", (file) => {
    file.destination = { kind: "aurora", finalSnapshotSuffix: "second" };
  });
  const { final_snapshot_identifier } = onlyResource(
    workerOf(again),
    "aws_rds_cluster",
  );
  expect(final_snapshot_identifier).toBe("bemi-direct-audit-second");
});

test("the worker writes there with the password that RDS keeps, and starts when there is a writer", () => {
  const template = complete("direct");
  const { container_definitions } = onlyResource(
    template,
    "aws_ecs_task_definition",
  );
  const [{ secrets }] = JSON.parse(String(container_definitions));
  const password = secrets.find(
    ({ name }: { name: string }) => name === "DEST_DB_PASSWORD",
  );
  const secret =
    /^\$\{aws_rds_cluster\..*\.master_user_secret\[0\]\.secret_arn\}/;
  expect(password.valueFrom).toMatch(secret);
  expect(password.valueFrom).toMatch(/:password::$/);
  const { policy } = onlyExecutionPolicy(template);
  expect(policy).toContain("master_user_secret[0].secret_arn");
  const { depends_on } = onlyResource(template, "aws_ecs_service");
  const writers = (depends_on as string[]).filter((one) =>
    one.startsWith("aws_rds_cluster_instance."),
  );
  expect(writers).toHaveLength(1);
});

function onlyExecutionPolicy(template: Template): { policy: string } {
  const found = Object.entries(
    resourcesOf(template, "aws_iam_role_policy"),
  ).filter(([id]) => id.includes("execution-policy"));
  expect(found).toHaveLength(1);
  return { policy: String(found[0]?.[1].policy) };
}

test("a destination that was there has the user and secret of the file", () => {
  const template = complete("existing-destination");
  expect(all(template, "aws_rds_cluster")).toEqual([]);
  const { container_definitions } = onlyResource(
    template,
    "aws_ecs_task_definition",
  );
  const [{ environment, secrets }] = JSON.parse(String(container_definitions));
  expect(environment).toContainEqual({ name: "DEST_DB_USER", value: "bemi" });
  expect(secrets).toContainEqual({
    name: "DEST_DB_PASSWORD",
    valueFrom: expect.stringMatching(/destination-secret.*arn\}:password::$/),
  });
});

test("a source and a jump host by their addresses are the only ones that are reached", () => {
  const source = changedEnvironment("direct", (file) => {
    file.source.host = "198.51.100.7";
    file.destination = existingDestination;
  });
  expect(egressOf(workerOf(source))).toContain("5432 198.51.100.7/32");
  const jump = changedEnvironment("ssh", (file) => {
    file.connection = { ...file.connection, host: "198.51.100.8" } as never;
    file.destination = existingDestination;
  });
  expect(egressOf(workerOf(jump))).toContain("22 198.51.100.8/32");
});

test("a destination's own group limits where the worker connects", () => {
  expect(egressOf(workerOf(environmentOf("existing-destination")))).toContain(
    "5432 sg-0fedcba9876543210",
  );
});

test.each(withWorker)(
  "%s: every rule and group says what it is for, in letters that EC2 takes",
  (name) => {
    const template = complete(name);
    const described = [
      ...all(template, "aws_security_group"),
      ...all(template, "aws_vpc_security_group_egress_rule"),
      ...all(template, "aws_vpc_security_group_ingress_rule"),
    ];
    expect(described.length).toBeGreaterThan(2);
    for (const { description } of described) {
      expect(description).toMatch(/^[\w .:/()#,@[\]+=&;{}!$*-]{1,255}$/);
    }
  },
);

test.each<[EnvironmentName, string[]]>([
  ["direct", []],
  ["ssh", ["ssh_authorized_keys", "ssh_public_key"]],
  ["vpn-nat", ["vpn_server_endpoint", "vpn_server_public_key"]],
  ["before-keys", []],
  ["before-keys-ssh", []],
])("%s has the outputs of its mode", (name, expected) => {
  const outputs = Object.keys(plain(name).output ?? {});
  const own = outputs.filter((output) => !output.startsWith("cross-stack-"));
  expect(own.sort()).toEqual(
    ["destination_endpoint", "worker_static_ips", ...expected].sort(),
  );
});

test("the jump host lets the worker in by the two documented lines", () => {
  const { ssh_public_key, ssh_authorized_keys } = plain("ssh").output ?? {};
  expect(ssh_public_key?.value).toBe(publicKeys.ssh);
  expect(String(ssh_authorized_keys?.value).split("\n")).toEqual([
    "touch ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys",
    `echo '${publicKeys.ssh}' >> ~/.ssh/authorized_keys`,
  ]);
});

test("the VPN's outputs are the file's key and an address that stays", () => {
  const { vpn_server_endpoint, vpn_server_public_key } =
    plain("vpn-nat").output ?? {};
  expect(vpn_server_public_key?.value).toBe(publicKeys.server);
  expect(vpn_server_endpoint?.value).toMatch(
    /^\$\{aws_eip\.vpn-server_.*\.public_ip\}:51820$/,
  );
});

test("the worker comes from one address, which is its NAT gateway's", () => {
  const template = plain("direct");
  const nat = onlyResource(template, "aws_nat_gateway");
  const eip = String(nat.allocation_id).replace(".id}", "");
  expect(template.output?.worker_static_ips?.value).toEqual([
    `${eip}.public_ip}`,
  ]);
});

test("in a network that is there, nothing of a network is made", () => {
  const template = plain("existing-network");
  for (const type of [
    ...["aws_vpc", "aws_subnet", "aws_nat_gateway", "aws_internet_gateway"],
    ...["aws_route_table", "aws_flow_log", "aws_default_security_group"],
  ]) {
    expect(resourcesOf(template, type)).toEqual({});
  }
  expect(template.output?.worker_static_ips?.value).toEqual(["203.0.113.7"]);
  expect(onlyResource(template, "aws_ecs_service")).toMatchObject({
    network_configuration: {
      subnets: ["subnet-0fedcba9876543210", "subnet-0fedcba9876543211"],
    },
  });
  const tables = all(template, "aws_route").map(
    ({ route_table_id }) => route_table_id,
  );
  expect(new Set(tables)).toEqual(
    new Set(["rtb-0fedcba9876543210", "rtb-0fedcba9876543211"]),
  );
});

test.each<[EnvironmentName, boolean]>([
  ["direct", false],
  ["ssh", false],
  ["vpn-nat", true],
  ["before-keys", false],
])("%s: has a VPN server: %s", (name, expected) => {
  const instances = all(plain(name), "aws_instance");
  expect(instances).toHaveLength(expected ? 1 : 0);
});

test("every private subnet is led to every network of the database", () => {
  const led = Object.entries(resourcesOf(plain("vpn-nat"), "aws_route"))
    .filter(([id]) => id.startsWith("vpn-server_"))
    .map(
      ([, route]) => `${route.route_table_id} ${route.destination_cidr_block}`,
    );
  expect(new Set(led).size).toBe(4);
});

test("two zones are the region's first, and their subnets a quarter of the network each", () => {
  const subnets = all(plain("direct"), "aws_subnet");
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

test("zones in another order make no subnet anew", () => {
  const subnets = (availabilityZones: string[]) =>
    resourcesOf(
      workerOf(
        changedEnvironment("direct", (file) => {
          file.destination = existingDestination;
          if (!file.worker) throw new Error("no worker");
          file.worker.network = { kind: "own", availabilityZones };
        }),
      ),
      "aws_subnet",
    );
  const zones = ["us-west-1a", "us-west-1c"];
  expect(subnets(zones.toReversed())).toEqual(subnets(zones));
});

test("no task starts before its subnets lead to the internet", () => {
  const { depends_on } = onlyResource(plain("direct"), "aws_ecs_service");
  const routes = (depends_on as string[]).filter((one) =>
    one.startsWith("aws_route."),
  );
  expect(routes).toHaveLength(2);
});

test("the image is the one whose digest the file has", () => {
  const { container_definitions } = onlyResource(
    plain("direct"),
    "aws_ecs_task_definition",
  );
  const [{ image }] = JSON.parse(String(container_definitions));
  expect(image).toMatch(/\.outputs\.[\w-]+repository_url\}@sha256:[0-9a-f]+$/);
});

interface Container {
  readonly environment: readonly { name: string; value: string }[];
  readonly secrets: readonly { name: string; valueFrom: string }[];
}

const secretValues: Readonly<Record<string, string>> = {
  password: "hush",
  privateKey: generateSshKey().private,
};

/** As Terraform and ECS would fill it in. */
function processOf({ environment, secrets }: Container) {
  return Object.fromEntries([
    ...environment.map(({ name, value }) => [
      name,
      value.replaceAll(/\$\{[^}]*\}/g, "audit.example"),
    ]),
    ...secrets.map(({ name, valueFrom }) => {
      const [, key] = /\}:(\w+)::$/.exec(valueFrom) ?? [];
      return [name, secretValues[key ?? ""]];
    }),
  ]);
}

test.each(withWorker)(
  "%s: the worker accepts every task's variables",
  (name) => {
    const definitions = all(complete(name), "aws_ecs_task_definition");
    expect(definitions.length).toBe(name === "shards" ? 2 : 1);
    for (const { container_definitions } of definitions) {
      const [container] = JSON.parse(String(container_definitions));
      const settings = readSettings(processOf(container));
      expect(settings.warnings).toEqual([]);
      expect(settings.destinationIsSource).toBe(false);
      expect(settings.source.database).toBe("shop");
    }
  },
);

interface Lifecycle {
  readonly precondition: readonly {
    readonly condition: string;
    readonly error_message: string;
  }[];
}

test.each<[EnvironmentName, string[]]>([
  ["before-keys", ["npm run image -- before-keys", "npm run keys -- before-"]],
  [
    "before-keys-ssh",
    ["npm run image -- before-keys-ssh", "npm run keys -- before-keys-ssh"],
  ],
])(
  "%s: Terraform refuses the stack, and says what to run first",
  (name, commands) => {
    const { lifecycle } = onlyResource(plain(name), "aws_ecs_cluster");
    const { precondition } = lifecycle as Lifecycle;
    const messages = precondition.map(({ error_message }) => error_message);
    expect(messages).toHaveLength(2);
    for (const [index, command] of commands.entries())
      expect(messages[index]).toContain(command);
    // Terraform takes no condition that refers to nothing.
    for (const { condition } of precondition)
      expect(condition).toMatch(/^\$\{\(length\(data\..*\) < 1\)\}$/);
  },
);

test("with image and keys nothing is refused", () => {
  for (const name of ["direct", "ssh", "vpn-nat"] as const) {
    const cluster = onlyResource(plain(name), "aws_ecs_cluster");
    expect(cluster).not.toHaveProperty("lifecycle");
  }
});

test("each shard has a service, and alarms of its own slot", () => {
  const template = plain("shards");
  const services = all(template, "aws_ecs_service").map(({ name }) => name);
  expect(services).toEqual([
    "bemi-shards-worker-orders",
    "bemi-shards-worker-rest",
  ]);
  const slots = all(template, "aws_cloudwatch_metric_alarm").flatMap(
    ({ dimensions }) => (dimensions as { Slot?: string } | undefined)?.Slot,
  );
  expect(new Set(slots.filter(Boolean))).toEqual(
    new Set(["bemi_orders", "bemi_rest"]),
  );
});

test("the source keeps half of what it may before it is an alarm", () => {
  const [alarm] = all(plain("direct"), "aws_cloudwatch_metric_alarm").filter(
    ({ metric_name }) => metric_name === "SlotRetained",
  );
  // 100 GiB of storage: a quarter may be kept.
  expect(alarm?.threshold).toBe(12.5 * 1024 ** 3);
});

test.each(withWorker)(
  "%s: of the foundation it knows ARNs and addresses alone",
  (name) => {
    const template = complete(name);
    const used = JSON.stringify(template.resource).matchAll(
      /outputs\.cross-stack-output-([\w-]+)/g,
    );
    const values = new Set([...used].map(([, value]) => String(value)));
    expect(values.size).toBeGreaterThan(2);
    for (const value of values) expect(value).toMatch(/(arn|repository_url)$/);
  },
);

/** Resources that a resource waits for: by reference or by `depends_on`. */
function graphOf(template: Template): Map<string, Set<string>> {
  const nodes = Object.entries(template.resource ?? {}).flatMap(
    ([type, resources]) =>
      Object.entries(resources).map(
        ([id, block]) => [`${type}.${id}`, JSON.stringify(block)] as const,
      ),
  );
  const names = nodes.map(([name]) => name);
  return new Map(
    nodes.map(([name, text]) => [
      name,
      new Set(
        names.filter(
          (other) =>
            text.includes(`\${${other}.`) || text.includes(`"${other}"`),
        ),
      ),
    ]),
  );
}

test.each(withWorker)("%s: nothing waits for itself", (name) => {
  const graph = graphOf(complete(name));
  expect(graph.size).toBeGreaterThan(10);
  const left = new Map(graph);
  for (;;) {
    const ready = [...left].filter(([, needs]) =>
      [...needs].every((need) => !left.has(need)),
    );
    if (ready.length === 0) break;
    for (const [done] of ready) left.delete(done);
  }
  expect([...left.keys()]).toEqual([]);
});

test.each(withWorker)("%s: a second synthesis is the same", (name) => {
  expect(workerOf(environmentOf(name))).toEqual(complete(name));
});

// A construct by another id is another resource: what was there is destroyed.
test("what holds on to something has the id that it always had", () => {
  const paths = (type: string) =>
    all(plain("vpn-nat"), type).map((block) =>
      (block["//"] as { metadata: { path: string } }).metadata.path.replace(
        "vpn-nat-worker/",
        "",
      ),
    );
  expect({
    vpc: paths("aws_vpc"),
    subnets: paths("aws_subnet").sort(),
    addresses: paths("aws_eip").sort(),
    logs: paths("aws_cloudwatch_log_group").sort(),
    cluster: paths("aws_ecs_cluster"),
    service: paths("aws_ecs_service"),
  }).toEqual({
    vpc: ["network/vpc"],
    subnets: [
      "network/private-us-west-1a/subnet",
      "network/private-us-west-1b/subnet",
      "network/public-us-west-1a/subnet",
      "network/public-us-west-1b/subnet",
    ],
    addresses: ["network/static-address", "vpn-server/host/address"],
    logs: [
      "network/flow-log/log-group",
      "vpn-server/host/log-group",
      "worker/log-group",
    ],
    cluster: ["worker/cluster"],
    service: ["worker/all/service"],
  });
});
