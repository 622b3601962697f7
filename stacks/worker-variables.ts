/** What the environment file says, as the variables that the worker reads. */
import { CLIENT_KEY, clientCertificateOf } from "../config/client-certificate";
import type { Environment, WorkerEnvironment } from "../config/environment";
import { tunnelAddresses } from "../config/tunnel";
import {
  type WorkerVariableName,
  workerVariables,
} from "../config/worker-variables";
import type { SecretValue } from "../constructs/worker-container";

/** Where the worker listens in its task: nobody comes from outside. */
export const HEALTH_PORT = 8080;

export interface WorkerVariables {
  /** In the task definition, for everybody to read who may read that. */
  readonly environment: Readonly<VariableValues<string>>;
  /** From Secrets Manager, when a task starts. */
  readonly secrets: Readonly<VariableValues<SecretValue>>;
}

type VariableValues<T> = { [name in WorkerVariableName]?: T };

/** What the file does not say: made by the stacks. */
export interface WorkerEndpoints {
  readonly destination: DestinationEndpoint;
  /** ARNs of the secrets' containers. */
  readonly secrets: {
    readonly source: string;
    /** Needed in the mode ssh. */
    readonly ssh?: string | undefined;
  };
}

export interface DestinationEndpoint {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  /** Its key `password` is the user's. */
  readonly secretArn: string;
}

export type Shard = WorkerEnvironment["shards"][number];

/**
 * Names of the table in config/ alone, so what it says is what a task gets.
 *
 * @param shard - undefined: one worker for all tables
 * @throws when a secret would be readable in the task definition
 */
export function workerVariablesOf(
  environment: Environment,
  shard: Shard | undefined,
  endpoints: WorkerEndpoints,
): WorkerVariables {
  const { source } = environment;
  const ssh = sshVariables(environment, endpoints);
  const destination = destinationVariables(endpoints.destination);
  const variables: WorkerVariables = {
    environment: {
      ...slotVariables(shard),
      ...environment.worker?.settings,
      ...hostVariables(environment),
      DB_PORT: String(source.port),
      DB_NAME: source.database,
      DB_USER: source.user,
      ...destination.environment,
      ...ssh.environment,
      METRICS: "emf",
      METRICS_ENVIRONMENT: environment.name,
      HTTP_HOST: "127.0.0.1",
      HTTP_PORT: String(HEALTH_PORT),
    },
    secrets: {
      DB_PASSWORD: { arn: endpoints.secrets.source, key: "password" },
      ...destination.secrets,
      ...clientKeys(environment, endpoints),
      ...ssh.secrets,
    },
  };
  refuseSecrets(variables.environment);
  return variables;
}

function slotVariables(shard: Shard | undefined): VariableValues<string> {
  const name = shard ? `bemi_${shard.name}` : "bemi";
  return {
    SLOT_NAME: name,
    PUBLICATION_NAME: name,
    ...(shard ? { TRACK_TABLES: shard.trackTables } : {}),
  };
}

/**
 * The database's own name in every mode: routes lead its packets through the
 * tunnel, and a jump host looks it up itself. Only a node that passes on
 * connections is called by its own address in the tunnel.
 */
function hostVariables({
  source,
  connection,
}: Environment): VariableValues<string> {
  const isProxied =
    connection.mode === "vpn" && connection.node.forwarding === "proxy";
  if (!isProxied) return { DB_HOST: source.host };
  return {
    DB_HOST: tunnelAddresses(connection).node,
    DB_SSL_SERVERNAME: source.host,
  };
}

function destinationVariables(destination: DestinationEndpoint) {
  const { host, port, database, user, secretArn: arn } = destination;
  return {
    environment: {
      DEST_DB_HOST: host,
      DEST_DB_PORT: port,
      DEST_DB_NAME: database,
      DEST_DB_USER: user,
    },
    secrets: { DEST_DB_PASSWORD: { arn, key: "password" } },
  };
}

/** Where a certificate of the worker's is among the settings. */
function clientKeys(
  environment: Environment,
  { destination, secrets }: WorkerEndpoints,
): VariableValues<SecretValue> {
  const [source, written] = (["source", "destination"] as const).map(
    (database) => clientCertificateOf(environment, database),
  );
  const keyIn = (arn: string): SecretValue => ({ arn, key: CLIENT_KEY });
  return {
    ...(source ? { DB_SSLKEY: keyIn(secrets.source) } : {}),
    ...(written ? { DEST_DB_SSLKEY: keyIn(destination.secretArn) } : {}),
  };
}

function sshVariables(
  { connection }: Environment,
  { secrets }: WorkerEndpoints,
): WorkerVariables {
  if (connection.mode !== "ssh") return { environment: {}, secrets: {} };
  if (!secrets.ssh) throw new Error("the mode ssh needs the SSH key's secret");
  return {
    environment: {
      SSH_HOST: connection.host,
      SSH_PORT: String(connection.port),
      SSH_USER: connection.user,
      SSH_HOST_KEY: connection.hostKey,
    },
    secrets: { SSH_PRIVATE_KEY: { arn: secrets.ssh, key: "privateKey" } },
  };
}

/** The last guard behind the rules of the environment file. */
function refuseSecrets(environment: VariableValues<string>): void {
  for (const [name, variable] of Object.entries(workerVariables)) {
    if (variable.secret && name in environment) {
      throw new Error(`${name} is secret: it belongs in Secrets Manager`);
    }
  }
}
