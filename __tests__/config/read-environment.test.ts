import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  EnvironmentError,
  readEnvironment,
} from "../../config/read-environment";
import {
  type EnvironmentName,
  environmentFile,
  environmentNames,
  environmentOf,
  publicKeys,
} from "../support/environments";

/** All problems of a file, `path: message`; none when it is valid. */
function problemsOf(text: string, file = "environments/shop.json"): string[] {
  try {
    readEnvironment(file, text);
    return [];
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

/** The same of a valid file in which some paths have other values. */
function problemsWith(
  name: EnvironmentName,
  values: Readonly<Record<string, unknown>>,
): string[] {
  const file = environmentFile(name);
  for (const [path, value] of Object.entries(values)) put(file, path, value);
  return problemsOf(JSON.stringify(file));
}

function put(file: object, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let place: Record<string, unknown> = file as Record<string, unknown>;
  for (const key of keys) {
    place[key] ??= {};
    place = place[key] as Record<string, unknown>;
  }
  if (value === undefined) delete place[last];
  else place[last] = value;
}

test.each(environmentNames)("the test environment %s is valid", (name) => {
  expect(environmentOf(name).name).toBe(name);
});

test("environments/example.json is valid", () => {
  const path = join(__dirname, "../../environments/example.json");
  expect(problemsOf(readFileSync(path, "utf8"), path)).toEqual([]);
});

test.each([
  ["", /^: empty: npm run init/],
  ["\u0000{", /^: not UTF-8 text/],
  ["{ \uFFFD }", /^: not UTF-8 text/],
  ['{\n  "a": 1,\n}', /^: not JSON: .* in line 3, column 1; .*trailing commas/],
  ["{", /^: not JSON: /],
  ["[]", /^: got an array: an object, { … }, is needed$/],
  ["null", /^: got null: an object/],
  ['"text"', /^: got "text": an object/],
])("the text %j is told from an environment", (text, expected) => {
  const problems = problemsOf(text);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(expected);
});

test("a number that no number can hold is told as what it became", () => {
  const text = JSON.stringify({
    ...environmentFile("direct"),
    alerts: { lagSeconds: 54321 },
  }).replace("54321", "1e999");
  expect(problemsOf(text)).toEqual([
    "alerts.lagSeconds: got Infinity: a number is needed",
  ]);
});

test("a byte order mark does no harm", () => {
  expect(
    problemsOf(`\uFEFF${JSON.stringify(environmentFile("direct"))}`),
  ).toEqual([]);
});

test("a field that is given twice is found, wherever it is", () => {
  const text = JSON.stringify(environmentFile("shards"))
    .replace('"id":"1', '"id":"222222222222","id":"1')
    .replace('"name":"rest"', '"name":"others","na\\u006de":"rest"');
  expect(problemsOf(text)).toEqual([
    "source.account.id: given twice: remove one of them",
    "worker.shards[1].name: given twice: remove one of them",
  ]);
});

test("equal keys of different objects are none that is given twice", () => {
  const text = JSON.stringify({ a: { b: 1 }, c: [{ b: 1 }, { b: '"b":' }] });
  expect(problemsOf(text).join()).not.toContain("given twice");
});

test("__proto__ is an unknown field, and changes no prototype", () => {
  const text = JSON.stringify(environmentFile("direct"))
    .replace("{", '{"__proto__":{"worker":1},')
    .replace('"worker":{"', '"worker":{"settings":{"__proto__":"1"},"');
  expect(problemsOf(text)).toEqual([
    "__proto__: unknown field: remove it",
    "worker.settings.__proto__: unknown field: remove it",
  ]);
});

test("every problem is reported at once, also between well-formed parts", () => {
  const problems = problemsWith("vpn-nat", {
    "source.host": "postgres://shop",
    "source.rds.majorVersion": 13,
    "worker.memoryMib": 4096,
    "worker.cpu": 256,
    "worker.settings": { RETENTION_DAYS: "abc", NONSENSE: "1" },
    "connection.tunnelCidr": "100.64.77.1/30",
    "destination.kind": "mysql",
    surplus: true,
  });
  expect(problems.map((problem) => problem.split(": ")[0])).toEqual([
    "source.host",
    "source.rds.majorVersion",
    "destination.kind",
    "surplus",
    "connection.tunnelCidr",
    "worker.memoryMib",
    "worker.settings.RETENTION_DAYS",
    "worker.settings.NONSENSE",
  ]);
});

test("a broken connection does not accuse a missing worker", () => {
  expect(
    problemsWith("vpn-foreign", { "connection.server.endpoint": "a b" }),
  ).toEqual([
    'connection.server.endpoint: got "a b": a host name or an IPv4 address, without scheme, user, port or path',
  ]);
});

const wrong: [EnvironmentName, string, unknown, RegExp][] = [
  [
    "direct",
    "source.account.id",
    111111111111,
    /got 111111111111: a text in quotes is needed, so put it in quotes/,
  ],
  ["direct", "source.account.region", "us-west", /"us-west": a region as in/],
  ["direct", "source.account.externalId", "abc", /without a roleArn/],
  [
    "direct",
    "source.account",
    undefined,
    /^source.account: missing: an object/,
  ],
  ["direct", "source.host", "https://shop", /without scheme, user, port/],
  ["direct", "source.host", "10.0.0.256", /four numbers are 0 to 255/],
  ["direct", "source.host", "a:b@c", /got "…@c"/],
  ["direct", "source.port", 0, /got 0: at least 1$/],
  ["direct", "source.port", 5432.5, /got 5432.5: a whole number/],
  ["direct", "source.database", "ü".repeat(32), /1 to 63 bytes/],
  ["direct", "source.database", "a\u0000b", /1 to 63 bytes without control/],
  ["direct", "source.rds.identifier", "Shop", /lower-case letters/],
  ["direct", "source.rds.majorVersion", 19, /at most 18/],
  [
    "direct",
    "source.rds.kind",
    "oracle",
    /got "oracle"; allowed: instance, aurora/,
  ],
  [
    "direct",
    "source.rds.kind",
    undefined,
    /missing; allowed: instance, aurora/,
  ],
  ["direct", "source.maxSlotWalKeepSizeMib", 60_000, /at most 51200, half of/],
  [
    "no-rds",
    "source.maxSlotWalKeepSizeMib",
    2048,
    /no effect without source.rds/,
  ],
  ["direct", "connection", undefined, /^connection: missing/],
  ["direct", "connection.mode", "tor", /got "tor"; allowed: direct, ssh, vpn/],
  ["ssh", "connection.hostKey", "ssh-ed25519 AAAA", /ssh-keyscan/],
  [
    "ssh",
    "connection.hostKey",
    `${publicKeys.jumpHost.slice(0, -1)}p`,
    /ssh-keyscan/,
  ],
  [
    "ssh",
    "connection.publicKey",
    publicKeys.ssh.slice(0, -4),
    /a public key as in/,
  ],
  [
    "ssh",
    "connection.publicKey",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    /got a value that is not shown/,
  ],
  [
    "vpn-nat",
    "connection.node.publicKey",
    "abc=",
    /WireGuard public key, 32 bytes/,
  ],
  [
    "vpn-nat",
    "connection.node.publicKey",
    `${publicKeys.node.slice(0, -2)}h=`,
    /32 bytes/,
  ],
  ["vpn-nat", "connection.node.publicKey", `${"A".repeat(43)}=`, /32 bytes/],
  [
    "vpn-nat",
    "connection.server.publicKey",
    publicKeys.node,
    /the node's own key/,
  ],
  [
    "vpn-nat",
    "connection.node.instanceType",
    "t3.nano",
    /node.architecture: got arm64, but t3.nano is x86_64/,
  ],
  ["vpn-nat", "connection.server.architecture", "x86_64", /t4g.nano is arm64/],
  [
    "vpn-nat",
    "connection.node.instanceType",
    "t2.micro",
    /an older generation/,
  ],
  [
    "vpn-nat",
    "connection.tunnelCidr",
    "100.64.77.0/29",
    /got a \/29: the tunnel's two ends take a \/30/,
  ],
  [
    "vpn-nat",
    "connection.tunnelCidr",
    "10.20.30.0/30",
    /overlaps source.subnetCidrs\[0\]/,
  ],
  [
    "vpn-nat",
    "connection.node.ssh",
    { keyName: "a", cidrs: ["0.0.0.0/0"] },
    /ssh.cidrs\[0\]: got 0.0.0.0\/0, which is everybody/,
  ],
  [
    "vpn-nat",
    "source.subnetCidrs",
    ["10.213.1.0/24"],
    /overlaps worker.network.cidr \(10.213.0.0\/20\).*forwarding to proxy/,
  ],
  ["vpn-nat", "source.subnetCidrs", ["0.0.0.0/0"], /which is everybody/],
  [
    "vpn-nat",
    "source.subnetCidrs",
    ["169.254.169.0/24"],
    /169.254.0.0\/16 is reserved/,
  ],
  ["vpn-nat", "source.subnetCidrs", ["10.1.2.3/24"], /no bit is set behind it/],
  [
    "vpn-nat",
    "source.subnetCidrs",
    ["10.1.2.0/24", "10.1.2.0/25"],
    /subnetCidrs\[1\]: got 10.1.2.0\/25, which overlaps source.subnetCidrs\[0\]/,
  ],
  [
    "vpn-nat",
    "source.subnetCidrs",
    undefined,
    /subnetCidrs: missing: the mode vpn/,
  ],
  ["vpn-nat", "source.vpcId", undefined, /vpcId: missing: the mode vpn/],
  [
    "vpn-foreign",
    "worker",
    { account: { id: "111111111111", region: "us-west-1" } },
    /somebody else/,
  ],
  [
    "existing-network",
    "worker.network.publicSubnetId",
    undefined,
    /the VPN server is put there/,
  ],
  [
    "existing-network",
    "worker.network.privateRouteTableIds",
    [],
    /the routes to the database/,
  ],
  [
    "existing-network",
    "worker.network.privateSubnetIds",
    ["subnet-0fedcba9876543210"],
    /Aurora takes two/,
  ],
  [
    "two-accounts",
    "source.account.id",
    "444444444444",
    /a role of account 333333333333: it has to be of 444444444444/,
  ],
  [
    "two-accounts",
    "source.account.region",
    "us-gov-west-1",
    /us-gov-west-1 is in aws-us-gov/,
  ],
  [
    "vpn-options",
    "state.region",
    "us-east-1",
    /got a key of us-west-1: it has to be of us-east-1/,
  ],
  ["direct", "worker", undefined, /^worker: missing: it may be left out only/],
  ["direct", "worker.cpu", 300, /got 300: allowed: 256, 512/],
  [
    "direct",
    "worker.memoryMib",
    512,
    /with 512 CPU units Fargate takes 1024 to 4096/,
  ],
  ["direct", "worker.logRetentionDays", 2, /got 2: allowed: 1, 3, 5/],
  ["direct", "worker.imageDigest", "latest", /sha256: and 64/],
  ["direct", "worker.network", [], /network: got an array: an object/],
  [
    "direct",
    "worker.network",
    { kind: "own", cidr: "10.0.0.0/8" },
    /got a \/8: a VPC of four subnets takes a \/16 to a \/24/,
  ],
  [
    "direct",
    "worker.network",
    { kind: "own", availabilityZones: ["us-west-1a", "us-west-1a"] },
    /us-west-1a twice/,
  ],
  [
    "direct",
    "worker.network",
    { kind: "own", availabilityZones: ["us-west-1a", "us-east-1b"] },
    /us-east-1b: it has to be of us-west-1/,
  ],
  [
    "direct",
    "worker.settings",
    { RETENTION_DAYS: 30 },
    /RETENTION_DAYS: got 30: a text in quotes is needed, so put it in quotes/,
  ],
  [
    "direct",
    "worker.settings",
    { DB_PASSWORD: "hunter2" },
    /DB_PASSWORD: belongs in Secrets Manager/,
  ],
  ["direct", "worker.settings", { DB_HOST: "x" }, /follows from other fields/],
  ["direct", "worker.settings", { RETENTION_DAYS: "" }, /counts as unset/],
  [
    "direct",
    "worker.settings",
    { LOG_LEVEL: "loud" },
    /got "loud", allowed: trace, debug/,
  ],
  [
    "direct",
    "worker.settings",
    { SLOT_NAME: "Be-mi" },
    /allowed: 1 to 63 of the characters/,
  ],
  [
    "direct",
    "worker.settings",
    { TRACK_TABLES: "todo" },
    /todo is not schema.table/,
  ],
  [
    "direct",
    "worker.settings",
    { IGNORE_COLUMNS: "a.b.c.d" },
    /is not schema.table.column/,
  ],
  [
    "direct",
    "worker.settings",
    { DB_SSLROOTCERT: "/etc/ca.pem" },
    /as PEM; the task has no file of yours/,
  ],
  [
    "direct",
    "worker.settings",
    { DB_SSLKEY: "-----BEGIN PRIVATE KEY-----" },
    /belongs in Secrets Manager/,
  ],
  [
    "direct",
    "worker.settings",
    { DEST_DB_SSLCERT: "-----BEGIN CERTIFICATE-----" },
    /a destination of the kit's own asks for no certificate/,
  ],
  ["direct", "worker.settings", { toString: "x" }, /no variable of the worker/],
  [
    "shards",
    "worker.settings",
    { TRACK_TABLES: "public.*" },
    /each shard has its own/,
  ],
  [
    "shards",
    "worker.shards",
    [
      { name: "a", trackTables: "public.x" },
      { name: "a", trackTables: "public.y" },
    ],
    /got a twice/,
  ],
  [
    "shards",
    "worker.shards",
    [
      { name: "a", trackTables: "public.x" },
      { name: "b", trackTables: "public.*" },
    ],
    /a table such as public.x is tracked by a as well/,
  ],
  [
    "shards",
    "worker.shards",
    [{ name: "a", trackTables: "x" }],
    /shards\[0\].trackTables: x is not schema.table/,
  ],
  [
    "direct",
    "destination",
    { kind: "aurora", minCapacityAcu: 0.7 },
    /got 0.7: a multiple of 0.5/,
  ],
  [
    "direct",
    "destination",
    { kind: "aurora", minCapacityAcu: 8 },
    /got 4, less than minCapacityAcu \(8\)/,
  ],
  [
    "direct",
    "destination",
    { kind: "aurora", engineVersion: "17.2" },
    /begins with 17.4/,
  ],
  [
    "direct",
    "destination",
    { kind: "aurora", engineVersion: "15.4", minCapacityAcu: 0 },
    /pausing begins with 15.7/,
  ],
  [
    "direct",
    "destination",
    { kind: "aurora", backupRetentionDays: 36 },
    /at most 35/,
  ],
  ["direct", "alerts", { emails: ["nobody"] }, /an e-mail address/],
  ["direct", "alerts", null, /alerts: got null: an object/],
  ["direct", "tags", { "aws:x": "1" }, /rename it/],
  ["direct", "tags", { "bemi:stack": "1" }, /rename it/],
  ["direct", "tags", { "a\nb": "1" }, /not a key that is allowed/],
  [
    "direct",
    "tags",
    { owner: ["$", "{var.owner}"].join("") },
    /Terraform would replace/,
  ],
  ["direct", "source.database", "%{ if true }", /Terraform would replace/],
  [
    "direct",
    "source.database",
    "<name of the database>",
    /still to be filled in: name of the database/,
  ],
];

test.each(wrong)("%s with %s = %j", (name, path, value, expected) => {
  const problems = problemsWith(name, { [path]: value });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(expected);
});

test.each([
  ["", /got ""/],
  ["a", /2 to 24/],
  ["Prod", /lower-case/],
  ["prod--eu", /single hyphens/],
  ["p".repeat(25), /2 to 24/],
])("no environment is called %j", (name, expected) => {
  const text = JSON.stringify(environmentFile("direct"));
  expect(problemsOf(text, `environments/${name}.json`)[0]).toMatch(expected);
});

test("what is not said about a value is the value of a secret", () => {
  const problems = problemsWith("direct", {
    "worker.settings": { DB_PASSWORD: "hunter2", SSH_PRIVATE_KEY: "hunter2" },
  });
  expect(problems.join()).not.toContain("hunter2");
});

test("the tunnel lies apart from the database's networks, also for a proxy", () => {
  expect(
    problemsWith("vpn-proxy", {
      "connection.tunnelCidr": "10.20.30.0/30",
      "source.subnetCidrs": ["10.20.30.0/24"],
    }),
  ).toEqual([
    expect.stringMatching(/tunnelCidr: .*overlaps source.subnetCidrs/),
  ]);
});

test("a provider's addresses in the tunnel lie apart from the database", () => {
  const addresses = {
    "connection.server.tunnelAddress": "10.20.30.2",
    "connection.server.nodeTunnelAddress": "10.0.0.1",
  };
  expect(problemsWith("vpn-foreign", addresses)).toEqual([
    expect.stringMatching(
      /server.tunnelAddress: got 10.20.30.2\/32, which overlaps source/,
    ),
  ]);
});

test("a provider gives the addresses of both ends, or of none", () => {
  const address = { "connection.server.tunnelAddress": "10.0.0.2" };
  expect(problemsWith("vpn-foreign", address)).toEqual([
    expect.stringMatching(/server.nodeTunnelAddress: missing: give/),
  ]);
});

test("networks may overlap where nothing is routed between them", () => {
  expect(
    problemsWith("vpn-nat", {
      "source.subnetCidrs": ["10.213.1.0/24"],
      "connection.node.forwarding": "proxy",
    }),
  ).toEqual([]);
});
