/**
 * Every environment variable of the worker. The one place where they are
 * written down: the worker parses from this table, the worker's stack renders
 * its task definition from it, and docs/configuration.md is generated from it.
 */

/** What is known about one variable. Its name is its key in the table. */
export interface WorkerVariable {
  readonly group: VariableGroup;
  readonly type: VariableType;
  /** Unit of a number. */
  readonly unit?: string;
  /** The value taken when the variable is unset or empty. */
  readonly default?: string | number;
  /** The default in words, where it depends on something else. */
  readonly defaultText?: string;
  /** The worker does not start without it. */
  readonly required: boolean;
  /** When a variable that is not always required is required all the same. */
  readonly requiredWhen?: string;
  /** Belongs in a secret store; its value is never printed. */
  readonly secret: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly choices?: readonly string[];
  /** One or two sentences. */
  readonly description: string;
}

export type VariableGroup =
  | "source"
  | "destination"
  | "tracking"
  | "ssh"
  | "tuning"
  | "operation";

export type VariableType =
  /** Host name or IP address. */
  | "host"
  /** A name of a database or a role. */
  | "name"
  /** Text that is taken as it is. */
  | "text"
  | "integer"
  | "choice"
  /** Name of a replication slot or publication. */
  | "identifier"
  /** Path of a file. */
  | "file"
  /** PEM certificates, or the path of a file that holds them. */
  | "certificates"
  /** A private key, or the path of a file that holds it. */
  | "privateKey"
  | "hostKey"
  | "tablePatterns"
  | "columnPatterns";

export type WorkerVariableName = keyof typeof table;

/** The values that a variable of the type "choice" can have. */
export type ChoiceOf<N extends WorkerVariableName> = (typeof table)[N] extends {
  readonly choices: readonly (infer C)[];
}
  ? C
  : never;

const sslModes = ["disable", "require", "verify-ca", "verify-full"] as const;

const table = {
  DB_HOST: {
    group: "source",
    type: "host",
    required: true,
    secret: false,
    description:
      "The source database: the one whose changes are recorded. Give the writer endpoint; a standby cannot be used.",
  },
  DB_PORT: {
    group: "source",
    type: "integer",
    default: 5432,
    required: false,
    secret: false,
    minimum: 1,
    maximum: 65535,
    description: "Port of the source database, not of a connection pooler.",
  },
  DB_NAME: {
    group: "source",
    type: "name",
    required: true,
    secret: false,
    description: "Name of the source database.",
  },
  DB_USER: {
    group: "source",
    type: "name",
    required: true,
    secret: false,
    description:
      "Role to connect as. It needs the right to replicate (`rds_replication` on RDS, `REPLICATION` elsewhere).",
  },
  DB_PASSWORD: {
    group: "source",
    type: "text",
    required: false,
    requiredWhen: "neither `DB_PASSWORD_FILE` nor `DB_SSLCERT` is set",
    secret: true,
    description: "Password of that role.",
  },
  DB_PASSWORD_FILE: {
    group: "source",
    type: "file",
    required: false,
    requiredWhen: "neither `DB_PASSWORD` nor `DB_SSLCERT` is set",
    secret: false,
    description:
      "File with the password. It is read anew at every connection and goes before `DB_PASSWORD`, so a rotation needs no restart.",
  },
  DB_SSLMODE: {
    group: "source",
    type: "choice",
    choices: sslModes,
    defaultText:
      "`disable` for loopback and `host.docker.internal`, else `verify-full`",
    required: false,
    secret: false,
    description: "Encryption and verification, with libpq's meaning.",
  },
  DB_SSLROOTCERT: {
    group: "source",
    type: "certificates",
    defaultText: "public authorities, the system's, and the RDS bundle",
    required: false,
    secret: false,
    description:
      "The certificate authorities to trust instead: a PEM file's path, read anew at every connection, or the PEM itself.",
  },
  DB_SSL_SERVERNAME: {
    group: "source",
    type: "host",
    defaultText: "`DB_HOST`",
    required: false,
    secret: false,
    description:
      "Name that the server's certificate must be for, when `DB_HOST` is an address or the near end of a tunnel.",
  },
  DB_SSLCERT: {
    group: "source",
    type: "certificates",
    required: false,
    requiredWhen: "`DB_SSLKEY` is set",
    secret: false,
    description:
      "Client certificate to show, if the server asks for one: PEM, with those between it and its authority, or a file's path, read anew at every connection.",
  },
  DB_SSLKEY: {
    group: "source",
    type: "privateKey",
    required: false,
    requiredWhen: "`DB_SSLCERT` is set",
    secret: true,
    description: "Its private key, not encrypted: PEM, or a file's path.",
  },
  DEST_DB_HOST: {
    group: "destination",
    type: "host",
    required: false,
    requiredWhen: "any other `DEST_DB_` variable is set",
    secret: false,
    description:
      "The database that holds `changes`. With no `DEST_DB_` variable set, that is the source database itself.",
  },
  DEST_DB_PORT: {
    group: "destination",
    type: "integer",
    default: 5432,
    required: false,
    secret: false,
    minimum: 1,
    maximum: 65535,
    description: "Port of the destination database.",
  },
  DEST_DB_NAME: {
    group: "destination",
    type: "name",
    required: false,
    requiredWhen: "any other `DEST_DB_` variable is set",
    secret: false,
    description: "Name of the destination database.",
  },
  DEST_DB_USER: {
    group: "destination",
    type: "name",
    required: false,
    requiredWhen: "any other `DEST_DB_` variable is set",
    secret: false,
    description:
      "Role to connect as. It owns `changes` and creates its partitions.",
  },
  DEST_DB_PASSWORD: {
    group: "destination",
    type: "text",
    required: false,
    requiredWhen:
      "`DEST_DB_HOST` is set, and neither `DEST_DB_PASSWORD_FILE` nor `DEST_DB_SSLCERT`",
    secret: true,
    description: "Password of that role.",
  },
  DEST_DB_PASSWORD_FILE: {
    group: "destination",
    type: "file",
    required: false,
    requiredWhen:
      "`DEST_DB_HOST` is set, and neither `DEST_DB_PASSWORD` nor `DEST_DB_SSLCERT`",
    secret: false,
    description:
      "File with the password, read anew at every connection; it goes before `DEST_DB_PASSWORD`.",
  },
  DEST_DB_SSLMODE: {
    group: "destination",
    type: "choice",
    choices: sslModes,
    defaultText:
      "`disable` for loopback and `host.docker.internal`, else `verify-full`",
    required: false,
    secret: false,
    description: "As `DB_SSLMODE`, for the destination.",
  },
  DEST_DB_SSLROOTCERT: {
    group: "destination",
    type: "certificates",
    defaultText: "public authorities, the system's, and the RDS bundle",
    required: false,
    secret: false,
    description: "As `DB_SSLROOTCERT`, for the destination.",
  },
  DEST_DB_SSL_SERVERNAME: {
    group: "destination",
    type: "host",
    defaultText: "`DEST_DB_HOST`",
    required: false,
    secret: false,
    description: "As `DB_SSL_SERVERNAME`, for the destination.",
  },
  DEST_DB_SSLCERT: {
    group: "destination",
    type: "certificates",
    required: false,
    requiredWhen: "`DEST_DB_SSLKEY` is set",
    secret: false,
    description: "As `DB_SSLCERT`, for the destination.",
  },
  DEST_DB_SSLKEY: {
    group: "destination",
    type: "privateKey",
    required: false,
    requiredWhen: "`DEST_DB_SSLCERT` is set",
    secret: true,
    description: "As `DB_SSLKEY`, for the destination.",
  },
  SLOT_NAME: {
    group: "tracking",
    type: "identifier",
    default: "bemi",
    required: false,
    secret: false,
    description:
      "Replication slot in the source database. Each worker needs one of its own.",
  },
  PUBLICATION_NAME: {
    group: "tracking",
    type: "identifier",
    default: "bemi",
    required: false,
    secret: false,
    description: "Publication in the source database.",
  },
  TRACK_TABLES: {
    group: "tracking",
    type: "tablePatterns",
    default: "public.*",
    required: false,
    secret: false,
    description:
      "Tables whose changes are recorded: comma-separated `schema.table`, with `*` as wildcard and `!` to exclude.",
  },
  IGNORE_COLUMNS: {
    group: "tracking",
    type: "columnPatterns",
    required: false,
    secret: false,
    description:
      "Columns that do not count: an update that changes nothing else is not recorded. Comma-separated, with `*` as wildcard.",
  },
  SETUP: {
    group: "tracking",
    type: "choice",
    choices: ["auto", "never"],
    default: "auto",
    required: false,
    secret: false,
    description:
      "`auto` creates what is missing in the databases on the first run for a slot and destination; `never` only checks.",
  },
  SSH_HOST: {
    group: "ssh",
    type: "host",
    required: false,
    secret: false,
    description:
      "Jump host through which the source database is reached. `DB_HOST` is resolved there.",
  },
  SSH_PORT: {
    group: "ssh",
    type: "integer",
    default: 22,
    required: false,
    secret: false,
    minimum: 1,
    maximum: 65535,
    description: "Port of the jump host's SSH server.",
  },
  SSH_USER: {
    group: "ssh",
    type: "name",
    required: false,
    requiredWhen: "`SSH_HOST` is set",
    secret: false,
    description: "User on the jump host.",
  },
  SSH_PRIVATE_KEY: {
    group: "ssh",
    type: "privateKey",
    required: false,
    requiredWhen: "`SSH_HOST` is set",
    secret: true,
    description:
      "Private key of that user: OpenSSH or PEM text, or the path of a file that holds it.",
  },
  SSH_PASSPHRASE: {
    group: "ssh",
    type: "text",
    required: false,
    requiredWhen: "the private key is encrypted",
    secret: true,
    description: "Passphrase of the private key.",
  },
  SSH_HOST_KEY: {
    group: "ssh",
    type: "hostKey",
    required: false,
    requiredWhen: "`SSH_HOST` is set",
    secret: false,
    description:
      "Public key of the jump host, `ssh-ed25519 AAAA…` or its fingerprint, `SHA256:…`. No other host is accepted.",
  },
  BATCH_MAX_BYTES: {
    group: "tuning",
    type: "integer",
    unit: "bytes",
    default: 4_194_304,
    required: false,
    secret: false,
    minimum: 65_536,
    maximum: 268_435_456,
    description:
      "A batch is written when it holds this much. Larger ones cost memory (about 160 MB in all at the default, with one transaction of 2 million rows), smaller ones throughput.",
  },
  BATCH_MAX_DELAY_MS: {
    group: "tuning",
    type: "integer",
    unit: "milliseconds",
    default: 10,
    required: false,
    secret: false,
    minimum: 0,
    maximum: 60_000,
    description:
      "A batch is written when its first change has waited this long.",
  },
  MAX_VALUE_BYTES: {
    group: "tuning",
    type: "integer",
    unit: "bytes",
    default: 16_777_216,
    required: false,
    secret: false,
    minimum: 1024,
    maximum: 134_217_728,
    description:
      "A larger value is recorded as a marker with its length and SHA-256.",
  },
  INDEX_VALUES: {
    group: "tuning",
    type: "choice",
    choices: ["on", "off"],
    default: "on",
    required: false,
    secret: false,
    description:
      "`off` leaves out the indexes on `before` and `after`: faster writes, slower searches by value.",
  },
  RETENTION_DAYS: {
    group: "operation",
    type: "integer",
    unit: "days",
    defaultText: "unlimited",
    required: false,
    secret: false,
    minimum: 1,
    maximum: 36_500,
    description: "Partitions of `changes` that are older are dropped.",
  },
  HTTP_HOST: {
    group: "operation",
    type: "host",
    default: "127.0.0.1",
    required: false,
    secret: false,
    description: "Address that `GET /health` and `GET /metrics` are served on.",
  },
  HTTP_PORT: {
    group: "operation",
    type: "integer",
    default: 8080,
    required: false,
    secret: false,
    minimum: 0,
    maximum: 65535,
    description: "Port of the same; 0 takes a free one.",
  },
  METRICS: {
    group: "operation",
    type: "choice",
    choices: ["prometheus", "emf"],
    default: "prometheus",
    required: false,
    secret: false,
    description:
      "`emf` adds CloudWatch embedded-metric lines on the standard output.",
  },
  METRICS_ENVIRONMENT: {
    group: "operation",
    type: "name",
    required: false,
    secret: false,
    description:
      "Dimension `Environment` of those lines, beside `Slot`; it tells the environments of one AWS account apart.",
  },
  LOG_LEVEL: {
    group: "operation",
    type: "choice",
    choices: ["trace", "debug", "info", "warn", "error", "fatal"],
    default: "info",
    required: false,
    secret: false,
    description:
      "Least severe level that is logged. No level logs a row's values, a context, a key or a password.",
  },
} as const satisfies Record<string, WorkerVariable>;

/** The table, in the order of the documentation. */
export const workerVariables: Readonly<
  Record<WorkerVariableName, WorkerVariable>
> = table;
