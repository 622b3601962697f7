/**
 * The worker's settings, read once from the environment and complete: nothing
 * behind this file looks at a variable. Secrets are behind functions, so that
 * settings can be logged.
 */
import type { WorkerVariableName } from "../../config/worker-variables";
import { ConfigurationError } from "../errors";
import type { Login } from "../network/login";
import type { TlsSettings } from "../network/tls";
import type { SshSettings } from "../network/tunnel";
import { readConnection } from "./connection-settings";
import { type ColumnPatterns, parseColumnPatterns } from "./ignored-columns";
import { readSsh } from "./ssh-settings";
import { parseTablePatterns, type TablePatterns } from "./tables";
import { unknownVariables } from "./unknown-variables";
import { type Environment, VariableReader } from "./variable-reader";

export interface Settings {
  readonly source: ConnectionSettings;
  readonly destination: ConnectionSettings;
  /** No DEST_DB_* variable is set: `changes` lives in the source database. */
  readonly destinationIsSource: boolean;
  readonly slotName: string;
  readonly publicationName: string;
  readonly trackTables: TablePatterns;
  readonly ignoreColumns: ColumnPatterns;
  readonly setup: "auto" | "never";
  /** The way to the source, and to the destination when that is the source. */
  readonly ssh?: SshSettings;
  readonly indexValues: boolean;
  /** @default - changes are kept for ever */
  readonly retentionDays?: number;
  readonly batchMaxBytes: number;
  readonly batchMaxDelayMs: number;
  readonly maxValueBytes: number;
  readonly http: { readonly host: string; readonly port: number };
  readonly metrics: "prometheus" | "emf";
  /** @default - the embedded metrics have no such dimension */
  readonly metricsEnvironment?: string;
  readonly logLevel: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  /** What is allowed but hardly meant; to be logged at each start. */
  readonly warnings: readonly string[];
}

export interface ConnectionSettings {
  /** What the variables of this connection begin with, for messages. */
  readonly prefix: "DB" | "DEST_DB";
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** As it is now (file before variable). */
  readonly password: () => Promise<string>;
  /** The same for a connection, unless the server refuses it. */
  readonly login: Login;
  readonly tls: TlsSettings;
}

/** @throws ConfigurationError with everything that is wrong. */
export function readSettings(env: Environment): Settings {
  const reader = new VariableReader(env);
  const source = readConnection(reader, "DB");
  const destinationIsSource = !destinationNames.some((name) =>
    reader.isSet(name),
  );
  const ssh = readSsh(reader);
  const retentionDays = reader.optionalInteger("RETENTION_DAYS");
  const settings: Settings = {
    source,
    destination: destinationIsSource
      ? source
      : readConnection(reader, "DEST_DB", source),
    destinationIsSource,
    slotName: reader.identifier("SLOT_NAME"),
    publicationName: reader.identifier("PUBLICATION_NAME"),
    trackTables: readPatterns(reader, "TRACK_TABLES", parseTablePatterns),
    ignoreColumns: readPatterns(reader, "IGNORE_COLUMNS", parseColumnPatterns),
    setup: reader.choice("SETUP"),
    ...(ssh === undefined ? {} : { ssh }),
    indexValues: reader.choice("INDEX_VALUES") === "on",
    ...(retentionDays === undefined ? {} : { retentionDays }),
    batchMaxBytes: reader.integer("BATCH_MAX_BYTES"),
    batchMaxDelayMs: reader.integer("BATCH_MAX_DELAY_MS"),
    maxValueBytes: reader.integer("MAX_VALUE_BYTES"),
    http: {
      host: reader.host("HTTP_HOST"),
      port: reader.integer("HTTP_PORT"),
    },
    metrics: reader.choice("METRICS"),
    ...(reader.isSet("METRICS_ENVIRONMENT")
      ? { metricsEnvironment: reader.name("METRICS_ENVIRONMENT") }
      : {}),
    logLevel: reader.choice("LOG_LEVEL"),
    warnings: [...reader.warnings, ...unknownVariables(env)],
  };
  if (reader.problems.length > 0) throw new ConfigurationError(reader.problems);
  return deepFreeze(settings);
}

const destinationNames = [
  "DEST_DB_HOST",
  "DEST_DB_PORT",
  "DEST_DB_NAME",
  "DEST_DB_USER",
  "DEST_DB_PASSWORD",
  "DEST_DB_PASSWORD_FILE",
  "DEST_DB_SSLMODE",
  "DEST_DB_SSLROOTCERT",
  "DEST_DB_SSL_SERVERNAME",
  "DEST_DB_SSLCERT",
  "DEST_DB_SSLKEY",
] as const satisfies readonly WorkerVariableName[];

function readPatterns<T>(
  reader: VariableReader,
  name: "TRACK_TABLES" | "IGNORE_COLUMNS",
  parse: (text: string) => T,
): T {
  const text = reader.optional(name);
  try {
    return parse(text ?? reader.defaultOf(name));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    reader.problems.push(
      ...error.problems.map((problem) => `${name}: ${problem}`),
    );
    return parse(reader.defaultOf(name));
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
