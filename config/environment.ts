/**
 * The environment file (`environments/<env>.json`): everything that a deployer
 * decides. Shapes, defaults and descriptions; what holds between fields is in
 * `environment-rules.ts`. The JSON Schema for editors is made from this.
 */
import { z } from "zod";
import { connection } from "./connection-environment";
import { destination } from "./destination-environment";
import { kmsKeyArn, region, roleArn } from "./environment-fields";
import { source } from "./source-environment";
import { worker } from "./worker-environment";

const alerts = z
  .strictObject({
    emails: z
      .array(z.email("an e-mail address"))
      .max(10)
      .default([])
      .describe("Who is told; each has to confirm once."),
    lagSeconds: z
      .int()
      .min(30)
      .max(86_400)
      .default(300)
      .describe("Lag of the trail behind the source that raises an alarm."),
  })
  .prefault({})
  .describe("Who is told when something is wrong.");

const state = z
  .strictObject({
    bucket: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
        "an S3 bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens",
      )
      .describe("Name of the bucket (docs/deploy.md has the commands)."),
    region: region.describe("Region of the bucket."),
    kmsKeyArn: kmsKeyArn
      .optional()
      .describe(
        "Key in the bucket's region that the state is encrypted with. Default: the bucket's own.",
      ),
    roleArn: roleArn
      .optional()
      .describe("Role to assume for the bucket. Default: none."),
  })
  .describe(
    "S3 bucket of Terraform's state. Default: files in the folder of the kit, for a trial.",
  );

const tags = z
  .record(
    z
      .string()
      .regex(
        /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u,
        "1 to 128 letters, digits, spaces and _.:/=+-@",
      ),
    z
      .string()
      .regex(
        /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u,
        "at most 256 letters, digits, spaces and _.:/=+-@",
      ),
  )
  .default({})
  .describe("On everything that takes tags, beside the kit's own.");

export const environmentSchema = z
  .strictObject({
    $schema: z
      .string()
      .optional()
      .describe("./environment.schema.json, for your editor."),
    tags,
    state: state.optional(),
    source,
    connection,
    worker: worker
      .optional()
      .describe(
        "The worker. Left out only when the VPN server, and so the worker, is a provider's.",
      ),
    destination,
    alerts,
  })
  .describe("An environment of the provisioning kit.");

/** An environment as the stacks have it: read, checked, and with its defaults. */
export type Environment = z.output<typeof environmentSchema> & {
  /** That of the file, and the first part of every stack's name. */
  readonly name: string;
};

export type Account = Environment["source"]["account"];
export type WorkerEnvironment = NonNullable<Environment["worker"]>;
export type Connection = Environment["connection"];
export type VpnConnection = Extract<Connection, { mode: "vpn" }>;
