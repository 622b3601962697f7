/**
 * One environment of every kind that the stacks tell apart. They are read by
 * the kit's own reader, so each of them is a file that a deployer could have.
 */
import type { z } from "zod";
import type { Environment, environmentSchema } from "../../config/environment";
import { readEnvironment } from "../../config/read-environment";

/** An environment file's contents, before defaults are filled in. */
export type EnvironmentFile = z.input<typeof environmentSchema>;

/** Public halves of key pairs whose private halves nobody has kept. */
export const publicKeys = {
  node: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
  server: "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=",
  provider: "NmpbE70OhpTfgyO6xhvuYYNeWr1T9EQi/F57Lc4WOEg=",
  ssh: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKPNNgdOB0hoUUIKhxBFtaeSMvftKh02qCTEkX5m0FKK",
  jumpHost: "SHA256:6jbPhyLjcLzD5Q1FtX7Fnby7zxg2u4p5JelkJ9L5Ago",
} as const;

const account = { id: "111111111111", region: "us-west-1" };
const imageDigest = `sha256:${"0123456789abcdef".repeat(4)}`;

const instance = {
  kind: "instance",
  identifier: "shop",
  majorVersion: 17,
  allocatedStorageGib: 100,
} as const;

const direct = {
  source: {
    account,
    host: "shop.abcdef5ghij.us-west-1.rds.amazonaws.com",
    database: "shop",
    rds: instance,
  },
  connection: { mode: "direct" },
  worker: { account, imageDigest },
} satisfies EnvironmentFile;

const vpnSource = {
  ...direct.source,
  vpcId: "vpc-0a1b2c3d4e5f60718",
  subnetCidrs: ["10.20.30.0/24", "10.20.31.0/24"],
  securityGroupId: "sg-0a1b2c3d4e5f60718",
};

const node = {
  subnetId: "subnet-0a1b2c3d4e5f60718",
  publicKey: publicKeys.node,
};

const vpn = {
  ...direct,
  source: vpnSource,
  connection: {
    mode: "vpn",
    node,
    server: { kind: "own", publicKey: publicKeys.server },
  },
} satisfies EnvironmentFile;

const existingNetwork = {
  kind: "existing" as const,
  vpcId: "vpc-0fedcba9876543210",
  privateSubnetIds: ["subnet-0fedcba9876543210", "subnet-0fedcba9876543211"],
  privateRouteTableIds: ["rtb-0fedcba9876543210", "rtb-0fedcba9876543211"],
  publicSubnetId: "subnet-0fedcba9876543212",
  cidr: "10.99.0.0/16",
  staticIps: ["203.0.113.7"],
} satisfies NonNullable<EnvironmentFile["worker"]>["network"];

const files = {
  direct,
  ssh: {
    ...direct,
    connection: {
      mode: "ssh",
      host: "jump.shop.example",
      user: "bemi",
      hostKey: publicKeys.jumpHost,
      publicKey: publicKeys.ssh,
    },
  },
  "vpn-nat": vpn,
  "vpn-proxy": {
    ...vpn,
    connection: {
      ...vpn.connection,
      // The proxy is what serves networks that overlap the worker's.
      node: { ...node, forwarding: "proxy" },
    },
    source: { ...vpnSource, subnetCidrs: ["10.213.1.0/24"] },
  },
  "vpn-foreign": {
    source: vpnSource,
    connection: {
      mode: "vpn",
      node,
      server: {
        kind: "foreign",
        publicKey: publicKeys.provider,
        endpoint: "vpn.provider.example",
      },
    },
  },
  // Every option of the hosts and the stacks that is off by default.
  "vpn-options": {
    ...vpn,
    tags: { owner: "platform" },
    state: {
      bucket: "example-terraform-state",
      region: "us-west-1",
      kmsKeyArn: "arn:aws:kms:us-west-1:111111111111:key/state",
      roleArn: "arn:aws:iam::111111111111:role/state",
    },
    source: {
      ...vpnSource,
      maxSlotWalKeepSizeMib: 20_480,
      maxReplicationSlots: 40,
    },
    connection: {
      ...vpn.connection,
      node: {
        ...node,
        instanceType: "t3.micro",
        architecture: "x86_64",
        amiId: "ami-0a1b2c3d4e5f60718",
        generation: 2,
        ssh: { keyName: "platform", cidrs: ["10.20.0.0/16"] },
        sessionManager: true,
      },
      server: {
        ...vpn.connection.server,
        generation: 2,
        allowedCidrs: ["203.0.113.9/32"],
      },
      tunnelCidr: "100.64.99.0/30",
    },
    worker: {
      ...direct.worker,
      cpu: 1024,
      memoryMib: 2048,
      architecture: "x86_64",
      logRetentionDays: 400,
      settings: { TRACK_TABLES: "public.*", RETENTION_DAYS: "365" },
    },
    destination: { kind: "aurora", readers: 1, maxCapacityAcu: 8 },
    alerts: { emails: ["platform@example.com"], lagSeconds: 600 },
  },
  "existing-destination": {
    ...direct,
    destination: {
      kind: "existing",
      host: "audit.abcdef5ghij.us-west-1.rds.amazonaws.com",
      database: "audit",
      user: "bemi",
      securityGroupId: "sg-0fedcba9876543210",
    },
  },
  "existing-network": {
    ...vpn,
    worker: { ...direct.worker, network: existingNetwork },
  },
  "two-accounts": {
    ...vpn,
    source: {
      ...vpnSource,
      account: {
        id: "333333333333",
        region: "eu-central-1",
        roleArn: "arn:aws:iam::333333333333:role/deployment",
        externalId: "bemi",
      },
      host: "shop.abcdef5ghij.eu-central-1.rds.amazonaws.com",
    },
  },
  shards: {
    ...direct,
    worker: {
      ...direct.worker,
      shards: [
        { name: "orders", trackTables: "public.order,public.order_line" },
        { name: "rest", trackTables: "!public.order,!public.order_line" },
      ],
    },
  },
  "aurora-source": {
    ...direct,
    source: {
      ...direct.source,
      host: "shop.cluster-abcdef5ghij.us-west-1.rds.amazonaws.com",
      rds: { kind: "aurora", identifier: "shop", majorVersion: 16 },
    },
  },
  "no-rds": {
    ...direct,
    source: { account, host: "db.shop.example", database: "shop" },
  },
  // As `npm run init` leaves it: the foundation comes before keys and image.
  "before-keys": {
    source: vpnSource,
    connection: {
      mode: "vpn",
      node: { subnetId: node.subnetId },
      server: { kind: "own" },
    },
    worker: { account },
  },
  "before-keys-ssh": {
    source: direct.source,
    connection: {
      mode: "ssh",
      host: "jump.shop.example",
      user: "bemi",
      hostKey: publicKeys.jumpHost,
    },
    worker: { account },
  },
} satisfies Record<string, EnvironmentFile>;

export type EnvironmentName = keyof typeof files;

/** For `test.each`. */
export const environmentNames = Object.keys(files) as EnvironmentName[];

/** Contents of one of the files, to be changed at will. */
export function environmentFile(name: EnvironmentName): EnvironmentFile {
  // Not structuredClone: what two of its parts share would stay shared.
  return JSON.parse(JSON.stringify(files[name])) as EnvironmentFile;
}

/** One of the environments as the stacks get it. */
export function environmentOf(name: EnvironmentName): Environment {
  return readEnvironment(`${name}.json`, JSON.stringify(files[name]));
}

/** The same after a change to its file, which has to leave it valid. */
export function changedEnvironment(
  name: EnvironmentName,
  change: (file: EnvironmentFile) => void,
): Environment {
  const file = environmentFile(name);
  change(file);
  return readEnvironment(`${name}.json`, JSON.stringify(file));
}
