/**
 * Connections to the two servers, each made anew with a fresh password and a
 * fresh name look-up, so that rotation and failover need nobody.
 */
import { Socket } from "node:net";
import { Client, type ClientConfig, type Connection, DatabaseError } from "pg";
import { ConfigurationError, OperatorError, UnreachableError } from "../errors";
import type { ConnectionSettings } from "../settings/settings";
import { errorCode } from "../sql-state";
import { closeInTime } from "./closing";
import { describeConnectFailure, isDescribed } from "./connect-errors";
import { tlsOptions } from "./tls";
import type { Tunnel } from "./tunnel";
import { WATCH_TICK_MS, watch } from "./watchdog";

const CONNECT_TIMEOUT_MS = 15_000;
const KEEPALIVE_DELAY_MS = 30_000;
/**
 * So that the server, too, notices a worker's host that is gone, and lets go of
 * its locks and of the slot: by default it would take two hours.
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
    // What pg asks for by SNI; where to connect is the stream's to know.
    host: tls.serverName,
    port,
    database,
    user,
    password: passwordFor(await connection.login.password()),
    ssl: tlsOptions(tls),
    application_name: details.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    options: [SERVER_KEEPALIVES, details.options].filter(Boolean).join(" "),
    stream: () => tunnel?.stream(host, port) ?? new SocketTo(host, port),
  };
}

/** An empty text would make `pg` look for one in its own places. */
function passwordFor(password: string): ClientConfig["password"] {
  return password === "" ? () => "" : password;
}

/** `pg` tells its stream to connect to the name that TLS is to be for. */
class SocketTo extends Socket {
  readonly #host: string;
  readonly #port: number;

  constructor(host: string, port: number) {
    super();
    this.#host = host;
    this.#port = port;
  }

  override connect(): this {
    return super.connect(this.#port, this.#host);
  }
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
  const password = passwordFor(await connection.login.password());
  return open(connection, {
    ...config,
    password,
    ssl: tlsOptions(connection.tls),
  });
}

/** Part of `pg` that its types leave out. */
interface RawClient {
  readonly connection: Connection;
}

async function open(
  connection: ConnectionSettings,
  config: ClientConfig,
): Promise<Client> {
  const client = new Client(config);
  const { connection: line } = client as unknown as RawClient;
  closeInTime(line);
  // A connection that breaks while nobody waits for it is found at its next
  // use; without a listener it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    if (typeof config.password === "string") {
      connection.login.accepted(config.password);
    }
    return client;
  } catch (error) {
    // What failed to open has no order to end in.
    line.stream.destroy();
    throw connectFailure(error, connection, config);
  }
}

/**
 * Why a stream did not start: the connection was refused, which is said as of
 * any other, or the server has the connection and refuses the slot.
 */
export function streamStartFailure(
  error: unknown,
  connection: ConnectionSettings,
  config: ClientConfig,
): unknown {
  const isRefusal =
    !(error instanceof DatabaseError) || error.severity === "FATAL";
  if (!isRefusal || isSaid(error) || !isDescribed(error)) return error;
  return connectFailure(error, connection, {
    ...config,
    replication: "database",
  });
}

/**
 * The error that says what failed and what happens next. `config` is what was
 * connected with: its password is remembered when it was refused.
 */
export function connectFailure(
  error: unknown,
  connection: ConnectionSettings,
  config: ClientConfig & { readonly replication?: string } = {},
): Error {
  if (isSaid(error)) return error;
  const { verdict, message, remedy, isTls } = describeConnectFailure(
    error,
    connection,
    { replicates: config.replication !== undefined },
  );
  const options = { cause: error, isTls };
  if (verdict === "operator")
    return new OperatorError(message, remedy, options);
  const problem = `${message}: ${remedy}`;
  if (verdict === "retry") return new UnreachableError(problem, options);
  const { password } = config;
  return errorCode(error) === "28P01" && typeof password === "string"
    ? connection.login.refused(password, { problem, error })
    : new ConfigurationError([problem], options);
}

/** The way to the server is what failed, and has said so. */
function isSaid(error: unknown): error is Error {
  return (
    error instanceof OperatorError ||
    error instanceof ConfigurationError ||
    error instanceof UnreachableError
  );
}
