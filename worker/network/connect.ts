/**
 * Connections to the two servers, each made anew with a fresh password and a
 * fresh name look-up, so that rotation and failover need nobody (H27, H28).
 */
import { Client, type ClientConfig, DatabaseError } from "pg";
import { ConfigurationError, OperatorError, UnreachableError } from "../errors";
import type { ConnectionSettings } from "../settings/settings";
import { errorCode } from "../sql-state";
import { describeConnectFailure } from "./connect-errors";
import { tlsOptions } from "./tls";
import type { Tunnel } from "./tunnel";
import { WATCH_TICK_MS, watch } from "./watchdog";

const CONNECT_TIMEOUT_MS = 15_000;
const KEEPALIVE_DELAY_MS = 30_000;
const END_TIMEOUT_MS = 2_000;
/**
 * So that the server, too, notices a worker's host that is gone, and lets go of
 * its locks and of the slot: by default it would take two hours (H16).
 */
const SERVER_KEEPALIVES =
  "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3";

/** What `pg` needs to connect. `options` are command-line style settings. */
export async function connectionConfig(
  connection: ConnectionSettings,
  details: {
    readonly applicationName: string;
    readonly options?: string;
    readonly tunnel?: Tunnel;
  },
): Promise<ClientConfig> {
  const { host, port, database, user, tls } = connection;
  const { tunnel } = details;
  return {
    host,
    port,
    database,
    user,
    password: await connection.password(),
    ssl: tlsOptions(tls),
    application_name: details.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    options: [SERVER_KEEPALIVES, details.options].filter(Boolean).join(" "),
    ...(tunnel ? { stream: () => tunnel.stream(host, port) } : {}),
  };
}

/**
 * Connects, or throws a sentence that says what to do. The connection is watched
 * (watchdog.ts): a query on one that is half open fails.
 */
export async function connect(
  connection: ConnectionSettings,
  config: ClientConfig,
): Promise<Client> {
  const client = await open(connection, config);
  watch(client, {
    tickMs: WATCH_TICK_MS,
    connectAgain: () => connectAgain(connection, config),
  });
  return client;
}

/** The same way again, to ask about a connection that was made by it. */
export async function connectAgain(
  connection: ConnectionSettings,
  config: ClientConfig,
): Promise<Client> {
  const password = await connection.password();
  return open(connection, { ...config, password });
}

async function open(
  connection: ConnectionSettings,
  config: ClientConfig,
): Promise<Client> {
  const client = new ServerClient(config);
  // A connection that breaks while nobody waits for it is found at its next
  // use; without a listener it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    const { replication } = config as { replication?: string };
    throw connectFailure(error, connection, {
      replicates: replication !== undefined,
    });
  }
}

/** Ends in order, or, when nobody answers at the other end any more, at once. */
class ServerClient extends Client {
  override async end(): Promise<void> {
    const { connection } = this as unknown as {
      connection: { stream: { destroy(): void } };
    };
    const patience = setTimeout(
      () => connection.stream.destroy(),
      END_TIMEOUT_MS,
    );
    await super.end().finally(() => clearTimeout(patience));
  }
}

/**
 * Why a stream did not start: the connection was refused, which is said as of
 * any other, or the server has the connection and refuses the slot.
 */
export function streamStartFailure(
  error: unknown,
  connection: ConnectionSettings,
): unknown {
  const isRefusal =
    !(error instanceof DatabaseError) || error.severity === "FATAL";
  if (!isRefusal || isSaid(error) || errorCode(error) === undefined) {
    return error;
  }
  return connectFailure(error, connection, { replicates: true });
}

/** The error that says what failed and what happens next. */
export function connectFailure(
  error: unknown,
  connection: ConnectionSettings,
  kind: { readonly replicates: boolean } = { replicates: false },
): Error {
  if (isSaid(error)) return error;
  const failure = describeConnectFailure(error, connection, kind);
  if (failure.verdict === "configuration") {
    return new ConfigurationError([`${failure.message}: ${failure.remedy}`], {
      cause: error,
    });
  }
  if (failure.verdict === "operator") {
    return new OperatorError(failure.message, failure.remedy, { cause: error });
  }
  return new UnreachableError(`${failure.message}: ${failure.remedy}`, {
    cause: error,
  });
}

/** The way to the server is what failed, and has said so. */
function isSaid(error: unknown): error is Error {
  return (
    error instanceof OperatorError ||
    error instanceof ConfigurationError ||
    error instanceof UnreachableError
  );
}
