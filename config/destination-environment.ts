/** `destination` of an environment file: the database that holds `changes`. */
import { z } from "zod";
import {
  databaseName,
  host,
  port,
  securityGroupId,
} from "./environment-fields";

/** Serverless capacity goes by halves. */
const capacityAcu = z.number().max(256).multipleOf(0.5);

const aurora = z
  .strictObject({
    kind: z.literal("aurora").describe("The kit makes it."),
    engineVersion: z
      .string()
      .regex(
        /^1[4-8](\.\d{1,2})?$/,
        "a version of Aurora PostgreSQL as in 17 or 17.5",
      )
      .default("17")
      .describe(
        "Version of Aurora PostgreSQL. 17: AWS keeps the minor version up to date; 17.5: it stays that until it is changed here.",
      ),
    minCapacityAcu: capacityAcu
      .min(0)
      .default(0.5)
      .describe(
        "Least capacity, in Aurora capacity units of about 2 GiB. 0 lets it pause, which it never does while a worker is connected.",
      ),
    maxCapacityAcu: capacityAcu
      .min(1)
      .default(4)
      .describe("Most capacity, in the same units."),
    backupRetentionDays: z
      .int()
      .min(1)
      .max(35)
      .default(14)
      .describe("Days that it can be restored to any second of."),
    deletionProtection: z
      .boolean()
      .default(true)
      .describe(
        "Whether `cdktf destroy` fails rather than delete the trail. Set it to false, deploy, then destroy.",
      ),
    finalSnapshotSuffix: z
      .string()
      .max(20)
      .regex(
        /^[a-z0-9]+(-[a-z0-9]+)*$/,
        "lower-case letters, digits and single hyphens",
      )
      .default("final")
      .describe(
        "Last part of the name of the snapshot that a deletion leaves; the name must not be taken by an earlier one. The snapshot needs the foundation's key: once that is destroyed there are 30 days to copy it under another.",
      ),
    readers: z
      .int()
      .min(0)
      .max(15)
      .default(0)
      .describe("Further instances, for a failover in less than a minute."),
  })
  .describe("Aurora Serverless v2 of the kit's own.");

const existing = z
  .strictObject({
    kind: z.literal("existing").describe("A PostgreSQL that is there already."),
    host: host.describe("Writer endpoint."),
    port: port.default(5432).describe("Its port."),
    database: databaseName.describe("Name of the database."),
    user: databaseName.describe(
      "Role that owns `changes`. Its password belongs in Secrets Manager (docs/deploy.md).",
    ),
    securityGroupId: securityGroupId
      .optional()
      .describe("Of the database; the worker's egress is limited to it."),
  })
  .describe("A PostgreSQL that is there already.");

export const destination = z
  .discriminatedUnion("kind", [aurora, existing])
  .prefault({ kind: "aurora" })
  .describe("The database that holds `changes`.");
