/**
 * The environment file (`environments/<env>.json`): everything that a deployer
 * decides. Shapes, defaults and descriptions; what holds between fields is in
 * `environment-rules.ts`. The JSON Schema for editors is made from this.
 */
import { z } from "zod";

const cidr = z
  .string()
  .regex(
    /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/,
    "an IPv4 network as in 10.20.30.0/24",
  );
const accountId = z.string().regex(/^\d{12}$/, "12 digits");
const region = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "a region as in us-west-1");
const arn = z
  .string()
  .regex(/^arn:aws[a-z-]*:[a-z0-9-]+:/, "an ARN, arn:aws:…");
const host = z
  .string()
  .regex(
    /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/,
    "a host name or an IPv4 address",
  );
const port = z.int().min(1).max(65535);
const subnetId = z.string().regex(/^subnet-[0-9a-f]{8,17}$/, "subnet-…");
const vpcId = z.string().regex(/^vpc-[0-9a-f]{8,17}$/, "vpc-…");
const securityGroupId = z.string().regex(/^sg-[0-9a-f]{8,17}$/, "sg-…");
const name = z.string().min(1).max(63);
/** 32 bytes in base64; that they are is checked by `environment-rules.ts`. */
const wireguardKey = z
  .string()
  .regex(
    /^[A-Za-z0-9+/]{43}=$/,
    "32 bytes in base64: 44 characters, the last one =",
  );
const architecture = z.enum(["arm64", "x86_64"]);
const instanceType = z
  .string()
  .regex(/^[a-z0-9-]+\.[a-z0-9]+$/, "an EC2 instance type as in t4g.nano");

const account = z
  .strictObject({
    id: accountId.describe("The only account in which anything is deployed."),
    region,
    roleArn: arn
      .optional()
      .describe(
        "Role to assume for the deployment; without it the caller's own.",
      ),
    externalId: z.string().min(2).max(1224).optional(),
  })
  .describe("An AWS account and region.");

const rdsInstance = z.strictObject({
  kind: z.literal("instance"),
  identifier: name.describe("DBInstanceIdentifier, of the instance itself."),
  majorVersion: z.int().min(14).max(18),
  allocatedStorageGib: z
    .int()
    .min(20)
    .max(65_536)
    .describe("Of the instance; the log held for the worker is limited by it."),
});

const auroraCluster = z.strictObject({
  kind: z.literal("aurora"),
  identifier: name.describe("DBClusterIdentifier."),
  majorVersion: z.int().min(14).max(18),
});

const source = z.strictObject({
  account,
  host: host.describe(
    "Writer endpoint of the database; what its certificate is verified for.",
  ),
  port: port.default(5432),
  database: name,
  user: name
    .default("bemi")
    .describe("Role of the worker, with rds_replication."),
  vpcId: vpcId
    .optional()
    .describe("Of the database; needed for the connection mode vpn."),
  subnetCidrs: z
    .array(cidr)
    .min(1)
    .max(16)
    .optional()
    .describe(
      "Of every subnet in the database's subnet group: its address moves among them at a failover. Needed for vpn.",
    ),
  securityGroupId: securityGroupId
    .optional()
    .describe(
      "Of the database; it is opened for the VPN node. Without it that is left to you.",
    ),
  rds: z
    .discriminatedUnion("kind", [rdsInstance, auroraCluster])
    .optional()
    .describe(
      "Without it no parameter group and no alarm of the source is made.",
    ),
  maxSlotWalKeepSizeMib: z
    .int()
    .min(1024)
    .optional()
    .describe(
      "Log that the database may hold for the worker. Default: a quarter of the storage, at most 50 GiB; 50 GiB with Aurora.",
    ),
  maxReplicationSlots: z
    .int()
    .min(20)
    .max(1000)
    .default(20)
    .describe("Slots and WAL senders, of the worker and of everything else."),
});

const node = z
  .strictObject({
    subnetId: subnetId.describe(
      "A private subnet of the database's VPC with a way to the internet (NAT).",
    ),
    publicKey: wireguardKey.optional().describe("Written by `npm run keys`."),
    instanceType: instanceType.default("t4g.nano"),
    architecture: architecture.default("arm64"),
    amiId: z
      .string()
      .regex(/^ami-[0-9a-f]{8,17}$/, "ami-…")
      .optional()
      .describe(
        "Default: the newest Amazon Linux 2023 at the first deployment.",
      ),
    generation: z
      .int()
      .min(1)
      .default(1)
      .describe("Raise it to replace the node, for a newer image."),
    forwarding: z
      .enum(["nat", "proxy"])
      .default("nat")
      .describe(
        "nat: packets to the database's subnets; proxy: connections to the database's name, also where networks overlap.",
      ),
    ssh: z
      .strictObject({
        keyName: name,
        cidrs: z.array(cidr).min(1).max(16),
      })
      .optional()
      .describe("Opens port 22 of the node. Default: closed."),
    sessionManager: z
      .boolean()
      .default(false)
      .describe("Lets AWS Systems Manager open sessions on it."),
  })
  .describe("The WireGuard node in the database's VPC, which dials out.");

const ownServer = z.strictObject({
  kind: z.literal("own"),
  publicKey: wireguardKey.optional().describe("Written by `npm run keys`."),
  instanceType: instanceType.default("t4g.nano"),
  architecture: architecture.default("arm64"),
  amiId: z
    .string()
    .regex(/^ami-[0-9a-f]{8,17}$/, "ami-…")
    .optional(),
  generation: z.int().min(1).default(1),
  allowedCidrs: z
    .array(cidr)
    .min(1)
    .max(16)
    .default(["0.0.0.0/0"])
    .describe(
      "From where the node dials: the address of its NAT gateway, if it is fixed. WireGuard answers nobody without its key.",
    ),
});

const foreignServer = z.strictObject({
  kind: z.literal("foreign"),
  publicKey: wireguardKey,
  endpoint: host.describe("Name or address of the provider's server."),
  port: port.default(51820),
});

const connection = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("direct") }),
  z.strictObject({
    mode: z.literal("ssh"),
    host,
    port: port.default(22),
    user: name,
    hostKey: z
      .string()
      .regex(
        /^(SHA256:[A-Za-z0-9+/]{43}|(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2})$/,
        "`ssh-ed25519 AAAA…` or `SHA256:…`, as ssh-keyscan and ssh-keygen -lf print it",
      ),
    publicKey: z
      .string()
      .regex(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/, "ssh-ed25519 AAAA…")
      .optional()
      .describe(
        "Written by `npm run keys`; for the jump host's authorized_keys.",
      ),
  }),
  z.strictObject({
    mode: z.literal("vpn"),
    node,
    server: z.discriminatedUnion("kind", [ownServer, foreignServer]).default({
      kind: "own",
      instanceType: "t4g.nano",
      architecture: "arm64",
      generation: 1,
      allowedCidrs: ["0.0.0.0/0"],
    }),
    tunnelCidr: cidr
      .default("100.64.77.0/30")
      .describe(
        "Addresses inside the tunnel: the first is the server's, the second the node's.",
      ),
  }),
]);

const ownNetwork = z.strictObject({
  kind: z.literal("own"),
  cidr: cidr
    .default("10.213.0.0/20")
    .describe(
      "Of the worker's VPC, a /16 to /24; what of the database's overlaps it cannot be reached.",
    ),
  availabilityZones: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9-]+[a-z]$/, "an availability zone as in us-west-1a"),
    )
    .length(2)
    .optional()
    .describe("Default: a and b of the region. Aurora needs two."),
});

const existingNetwork = z.strictObject({
  kind: z.literal("existing"),
  vpcId,
  privateSubnetIds: z.array(subnetId).min(1).max(6),
  privateRouteTableIds: z
    .array(z.string().regex(/^rtb-[0-9a-f]{8,17}$/, "rtb-…"))
    .max(6)
    .default([])
    .describe("Routes to the database go there; needed for the mode vpn."),
  publicSubnetId: subnetId
    .optional()
    .describe("For the VPN server; needed for the mode vpn."),
  cidr: cidr.describe("Of the VPC."),
  staticIps: z
    .array(z.ipv4())
    .max(6)
    .default([])
    .describe("Of its NAT gateways, for the output worker_static_ips."),
});

const shard = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z][a-z0-9_]{0,30}$/,
      "lower-case letters, digits and _, 31 at most",
    ),
  trackTables: z.string().min(1).describe("TRACK_TABLES of this one."),
});

const worker = z.strictObject({
  account,
  network: z
    .discriminatedUnion("kind", [ownNetwork, existingNetwork])
    .default({ kind: "own", cidr: "10.213.0.0/20" }),
  cpu: z
    .literal([256, 512, 1024, 2048, 4096])
    .default(512)
    .describe("CPU units of a task; 1024 are one processor."),
  memoryMib: z.int().default(1024).describe("Memory of a task."),
  architecture: architecture.default("arm64"),
  imageDigest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hexadecimal digits")
    .optional()
    .describe("Written by `npm run image`."),
  logRetentionDays: z
    .literal([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827,
      2192, 2557, 2922, 3288, 3653,
    ])
    .default(365),
  settings: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      "Further variables of the worker (docs/configuration.md), as TRACK_TABLES or RETENTION_DAYS. Those that follow from the rest of this file are not to be given.",
    ),
  shards: z
    .array(shard)
    .max(16)
    .default([])
    .describe(
      "Groups of tables, a slot, a publication and a task each. Default: one for all.",
    ),
});

const aurora = z.strictObject({
  kind: z.literal("aurora"),
  engineVersion: z
    .string()
    .regex(/^1[4-8]\.\d{1,2}$/, "a version of Aurora PostgreSQL as in 17.5")
    .default("17.5"),
  minCapacityAcu: z
    .number()
    .min(0)
    .max(256)
    .multipleOf(0.5)
    .default(0.5)
    .describe(
      "0 lets it pause, which it never does while a worker is connected.",
    ),
  maxCapacityAcu: z.number().min(1).max(256).multipleOf(0.5).default(4),
  backupRetentionDays: z.int().min(1).max(35).default(14),
  deletionProtection: z.boolean().default(true),
  readers: z
    .int()
    .min(0)
    .max(15)
    .default(0)
    .describe("Further instances, for a failover in less than a minute."),
});

const existingDatabase = z.strictObject({
  kind: z.literal("existing"),
  host,
  port: port.default(5432),
  database: name,
  user: name,
  securityGroupId: securityGroupId
    .optional()
    .describe("Of the database; the worker's egress is limited to it."),
});

const destination = z
  .discriminatedUnion("kind", [aurora, existingDatabase])
  .default({
    kind: "aurora",
    engineVersion: "17.5",
    minCapacityAcu: 0.5,
    maxCapacityAcu: 4,
    backupRetentionDays: 14,
    deletionProtection: true,
    readers: 0,
  })
  .describe("Where `changes` is.");

const alerts = z
  .strictObject({
    emails: z.array(z.email()).max(10).default([]),
    lagSeconds: z.int().min(30).default(300),
  })
  .default({ emails: [], lagSeconds: 300 });

const state = z
  .strictObject({
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "an S3 bucket's name"),
    region,
    kmsKeyArn: arn.optional(),
    roleArn: arn.optional(),
  })
  .describe(
    "S3 bucket of Terraform's state. Default: files in the folder of the kit, for a trial.",
  );

export const environmentSchema = z.strictObject({
  $schema: z.string().optional(),
  state: state.optional(),
  tags: z
    .record(z.string().min(1).max(128), z.string().max(256))
    .default({})
    .describe("On everything that takes tags."),
  source,
  connection,
  worker: worker
    .optional()
    .describe(
      "Left out when the VPN server, and so the worker, is a provider's.",
    ),
  destination,
  alerts,
});

/** An environment as the stacks have it: read, checked, and with its defaults. */
export type Environment = z.output<typeof environmentSchema> & {
  /** That of the file, and the first part of every stack's name. */
  readonly name: string;
};

export type Account = Environment["source"]["account"];
export type WorkerEnvironment = NonNullable<Environment["worker"]>;
export type Connection = Environment["connection"];
export type VpnConnection = Extract<Connection, { mode: "vpn" }>;
