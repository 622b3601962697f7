/** `source` of an environment file: the database whose changes are recorded. */
import { z } from "zod";
import {
  account,
  cidr,
  databaseName,
  host,
  port,
  securityGroupId,
  vpcId,
} from "./environment-fields";

/** AWS keeps identifiers in lower case, and metrics are named by them. */
const identifier = z
  .string()
  .max(63)
  .regex(
    /^[a-z](-?[a-z0-9])*$/,
    "lower-case letters, digits and single hyphens, beginning with a letter",
  );

const majorVersion = z
  .int()
  .min(14)
  .max(18)
  .describe(
    "PostgreSQL's major version; the parameter group is of its family.",
  );

/** A database has one group: what another has set is lost with it. */
const parameters = z
  .record(
    z
      .string()
      .regex(
        /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$/,
        "a parameter's name as in work_mem or auto_explain.log_format",
      ),
    z.string().min(1),
  )
  .default({})
  .describe(
    "Everything that your present parameter group changes, in RDS's own units: attached, the kit's group takes its place. rds.force_ssl is 1 and wal_sender_timeout 60000 unless given here.",
  );

const rdsInstance = z
  .strictObject({
    kind: z.literal("instance").describe("An RDS instance, Multi-AZ or not."),
    identifier: identifier.describe("Its DBInstanceIdentifier."),
    majorVersion,
    allocatedStorageGib: z
      .int()
      .min(5)
      .max(65_536)
      .describe(
        "Its storage in GiB; how much log is held for the worker is limited by it.",
      ),
    parameters,
  })
  .describe("An RDS instance.");

const auroraCluster = z
  .strictObject({
    kind: z.literal("aurora").describe("An Aurora cluster."),
    identifier: identifier.describe("Its DBClusterIdentifier."),
    majorVersion,
    parameters,
  })
  .describe("An Aurora PostgreSQL cluster.");

export const source = z
  .strictObject({
    account: account.describe(
      "Account and region of the database; its parameter group, its alarms and the VPN node are made there.",
    ),
    host: host.describe(
      "Writer endpoint of the database, not a reader's or a proxy's. Its certificate is verified for this name.",
    ),
    port: port.default(5432).describe("Port of the database."),
    database: databaseName.describe("Name of the database."),
    user: databaseName
      .default("bemi")
      .describe(
        "Role of the worker, with rds_replication. Its password belongs in Secrets Manager (docs/deploy.md).",
      ),
    vpcId: vpcId
      .optional()
      .describe("Of the database; needed for the connection mode vpn."),
    subnetCidrs: z
      .array(cidr)
      .min(1)
      .max(16)
      .optional()
      .describe(
        "Of every subnet in the database's subnet group: its address moves among them at a failover. Needed for the connection mode vpn.",
      ),
    securityGroupId: securityGroupId
      .optional()
      .describe(
        "Of the database; it is opened for the VPN node. Default: opening it is left to you.",
      ),
    rds: z
      .discriminatedUnion("kind", [rdsInstance, auroraCluster])
      .optional()
      .describe(
        "What the database is, if RDS runs it. Default: no parameter group and no alarm of the source is made.",
      ),
    maxSlotWalKeepSizeMib: z
      .int()
      .min(1024)
      .max(33_554_432)
      .optional()
      .describe(
        "MiB of log that the database may hold for a worker that is down. Default: a quarter of the storage, at most 51200; 51200 with Aurora.",
      ),
    maxReplicationSlots: z
      .int()
      .min(20)
      .max(1000)
      .default(20)
      .describe(
        "Slots, and as many WAL senders: of the worker's shards, of read replicas and of everything else.",
      ),
  })
  .describe("The database whose changes are recorded.");
