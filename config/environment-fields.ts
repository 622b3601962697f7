/** Kinds of values that several parts of an environment file have. */
import { z } from "zod";
import { isSshPublicKey, isWireguardKey } from "./public-keys";
import { isName } from "./variable-values";

/** Well-formed here; that it is a network is checked by `network-rules.ts`. */
export const cidr = z
  .string()
  .regex(
    /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/,
    "an IPv4 network as in 10.20.30.0/24",
  );

export const region = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "a region as in us-west-1");

export const roleArn = z
  .string()
  .regex(
    /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/,
    "a role's ARN, arn:aws:iam::111111111111:role/…",
  );

export const kmsKeyArn = z
  .string()
  .regex(
    /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)\/[\w/-]+$/,
    "a KMS key's ARN, arn:aws:kms:us-west-1:111111111111:key/…",
  );

/** What has four numbers is an address, and no name. */
export const host = z
  .string()
  .regex(
    /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/,
    {
      error:
        "a host name or an IPv4 address, without scheme, user, port or path",
      abort: true,
    },
  )
  .refine(
    (text) => !/^[\d.]+$/.test(text) || z.ipv4().safeParse(text).success,
    "a host name or an IPv4 address, whose four numbers are 0 to 255",
  );

export const port = z.int().min(1).max(65_535);

export const subnetId = z
  .string()
  .regex(/^subnet-[0-9a-f]{8,17}$/, "a subnet's id, subnet-…");

export const vpcId = z
  .string()
  .regex(/^vpc-[0-9a-f]{8,17}$/, "a VPC's id, vpc-…");

export const securityGroupId = z
  .string()
  .regex(/^sg-[0-9a-f]{8,17}$/, "a security group's id, sg-…");

export const amiId = z
  .string()
  .regex(/^ami-[0-9a-f]{8,17}$/, "an image's id, ami-…");

/** A name of PostgreSQL's: a database, a role. */
export const databaseName = z
  .string()
  .min(1)
  .refine(isName, "1 to 63 bytes without control characters");

export const wireguardKey = z
  .string()
  .refine(
    isWireguardKey,
    "a WireGuard public key, 32 bytes in base64: 44 characters, the last one =",
  );

export const sshPublicKey = z
  .string()
  .refine(
    (text) => text.startsWith("ssh-ed25519 ") && isSshPublicKey(text),
    "a public key as in `ssh-ed25519 AAAA…`",
  );

export const sshHostKey = z
  .string()
  .refine(
    (text) =>
      /^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/.test(text) ||
      isSshPublicKey(text),
    "`ssh-ed25519 AAAA…` or `SHA256:…`, as ssh-keyscan and ssh-keygen -lf print it",
  );

export const architecture = z.enum(["arm64", "x86_64"]);

export const instanceType = z
  .string()
  .regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, "an EC2 instance type as in t4g.nano");

export const account = z
  .strictObject({
    id: z
      .string()
      .regex(/^\d{12}$/, "an account's 12 digits")
      .describe("The only account in which anything is deployed."),
    region: region.describe("The only region, too."),
    roleArn: roleArn
      .optional()
      .describe(
        "Role to assume for the deployment. Default: the caller's own permissions.",
      ),
    externalId: z
      .string()
      .regex(
        /^[\w+=,.@:/-]{2,1224}$/,
        "2 to 1224 letters, digits and +=,.@:/-_",
      )
      .optional()
      .describe("What that role's trust policy asks for, if it does."),
  })
  .describe("An AWS account and region.");
