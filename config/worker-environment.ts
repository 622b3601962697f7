/** `worker` of an environment file: the tasks and the network they are in. */
import { z } from "zod";
import {
  account,
  architecture,
  cidr,
  subnetId,
  vpcId,
} from "./environment-fields";

const ownNetwork = z
  .strictObject({
    kind: z.literal("own").describe("The kit makes a VPC."),
    cidr: cidr
      .default("10.213.0.0/20")
      .describe(
        "Of the worker's VPC, a /16 to a /24; what of the database's overlaps it cannot be routed to.",
      ),
    availabilityZones: z
      .array(
        z
          .string()
          .regex(
            /^[a-z]{2}(-[a-z]+)+-\d[a-z]$/,
            "an availability zone as in us-west-1a",
          ),
      )
      .length(2)
      .optional()
      .describe(
        "Two, for Aurora. Default: a and b of the region, which not every account has.",
      ),
  })
  .describe("A VPC of the kit's own, with one NAT gateway.");

const existingNetwork = z
  .strictObject({
    kind: z.literal("existing").describe("A VPC that is there already."),
    vpcId: vpcId.describe("Id of the VPC."),
    privateSubnetIds: z
      .array(subnetId)
      .min(1)
      .max(6)
      .describe(
        "For the tasks and for Aurora, which takes two in different availability zones; with a way to the internet.",
      ),
    privateRouteTableIds: z
      .array(
        z.string().regex(/^rtb-[0-9a-f]{8,17}$/, "a route table's id, rtb-…"),
      )
      .max(6)
      .default([])
      .describe(
        "Their route tables. Routes to the database go there; needed for the connection mode vpn.",
      ),
    publicSubnetId: subnetId
      .optional()
      .describe("For the VPN server; needed for the connection mode vpn."),
    cidr: cidr.describe("Of the VPC."),
    staticIps: z
      .array(z.ipv4("an IPv4 address"))
      .max(6)
      .default([])
      .describe("Of its NAT gateways, for the output worker_static_ips."),
  })
  .describe("A VPC that is there already.");

const shard = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[a-z][a-z0-9_]{0,30}$/,
        "lower-case letters, digits and _, beginning with a letter, 31 at most",
      )
      .describe("Part of its slot's, publication's and service's names."),
    trackTables: z.string().min(1).describe("TRACK_TABLES of its worker."),
  })
  .describe("A group of tables.");

/** What CloudWatch Logs takes. */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827,
  2192, 2557, 2922, 3288, 3653,
] as const;

export const worker = z.strictObject({
  account: account.describe(
    "Account and region of the worker, the VPN server and the destination.",
  ),
  network: z
    .discriminatedUnion("kind", [ownNetwork, existingNetwork])
    .prefault({ kind: "own" })
    .describe("The network of the tasks."),
  cpu: z
    .literal([256, 512, 1024, 2048, 4096])
    .default(512)
    .describe("CPU units of a task; 1024 are one processor."),
  memoryMib: z
    .int()
    .min(512)
    .max(30_720)
    .default(1024)
    .describe("Memory of a task in MiB; what Fargate has with its CPU units."),
  architecture: architecture
    .default("arm64")
    .describe("Of the task and its image."),
  imageDigest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hexadecimal digits")
    .optional()
    .describe("The worker's image, written by `npm run image`."),
  logRetentionDays: z
    .literal(LOG_RETENTION_DAYS)
    .default(365)
    .describe("Days that logs are kept, of those that CloudWatch Logs has."),
  settings: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      "Further variables of the worker (docs/configuration.md), such as TRACK_TABLES and RETENTION_DAYS; every value in quotes. Those that follow from the rest of this file are not to be given.",
    ),
  shards: z
    .array(shard)
    .max(16)
    .default([])
    .describe(
      "Groups of tables with a slot, a publication and a task each. Default: one task for all.",
    ),
});
