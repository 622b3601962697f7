/**
 * What a failed connection means to an operator, and what to do next. Decided
 * by SQLSTATE and errno; texts differ between versions and languages. Says
 * nothing of the password, nor of a text that may hold it.
 */
import { DatabaseError } from "pg";
import { errorCode } from "../sql-state";
import { notLetIn } from "./login-errors";
import type { TlsSettings } from "./tls";
import { tlsRefusal } from "./tls-errors";

/** Which server was meant; no more than this is ever said of it. */
export interface ConnectTarget {
  /** What its variables begin with: `DB` or `DEST_DB`. */
  readonly prefix: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly tls: Pick<TlsSettings, "mode" | "serverName"> & {
    readonly rootCertificates?: unknown;
    readonly client?: unknown;
  };
}

export interface ConnectFailure {
  /** One sentence without a full stop. */
  readonly message: string;
  readonly remedy: string;
  /**
   * retry: it may pass by itself; configuration: a variable is wrong (exit 2);
   * operator: somebody must act on a server (exit 3).
   */
  readonly verdict: Verdict;
  /** The two do not agree on TLS; nobody has tried to log in. */
  readonly isTls: boolean;
}

export type Verdict = "retry" | "configuration" | "operator";

export function describeConnectFailure(
  error: unknown,
  connection: ConnectTarget,
  { replicates }: { readonly replicates: boolean } = { replicates: false },
): ConnectFailure {
  const code = codeOf(error);
  const explanation =
    code === TOO_MANY
      ? exhausted(error, replicates)
      : explain(error, code, connection);
  const { verdict, what, remedy, isTls = false } = explanation;
  const { host, port } = connection;
  const named = (text: string) =>
    text
      .replaceAll("<prefix>", () => connection.prefix)
      .replaceAll("<user>", () => JSON.stringify(connection.user))
      .replaceAll("<database>", () => JSON.stringify(connection.database));
  return {
    message: `${host}:${port} ${named(what)}${code === undefined ? "" : ` (${code})`}`,
    remedy: named(remedy),
    verdict,
    isTls,
  };
}

/** Whether it is an error of connecting, of which there is more to say. */
export function isDescribed(error: unknown): boolean {
  return codeOf(error) !== undefined || textExplanation(error) !== undefined;
}

export interface Explanation {
  readonly verdict: Verdict;
  /** Goes on after "host:port". */
  readonly what: string;
  readonly remedy: string;
  /** @default false */
  readonly isTls?: boolean;
}

function explain(
  error: unknown,
  code: string | undefined,
  { tls }: ConnectTarget,
): Explanation {
  if (code === undefined) return textExplanation(error) ?? UNKNOWN;
  if (code === "28000") return notLetIn(error, tls);
  return KNOWN.get(code) ?? tlsRefusal(error, code, tls) ?? UNKNOWN;
}

/** pg's own errors have no code; their texts are the same everywhere. */
function textExplanation(error: unknown): Explanation | undefined {
  const text = error instanceof Error ? error.message : "";
  if (/does not support SSL/.test(text)) return NO_TLS;
  if (/client password must be/.test(text)) return NO_PASSWORD;
  if (/^timeout expired$/.test(text)) return unreachable("does not answer");
  return /^Connection terminated/.test(text)
    ? unreachable("closed the connection")
    : undefined;
}

/** With several addresses for a name, Node wraps one error for each. */
function codeOf(error: unknown): string | undefined {
  const code = errorCode(error);
  if (code !== undefined || !(error instanceof AggregateError)) return code;
  return errorCode(error.errors[0]);
}

const WAY_THERE =
  "check <prefix>_HOST and <prefix>_PORT, that the server runs, and the way to it: security groups, routes, VPN or SSH tunnel";

const POOLER: Explanation = {
  verdict: "configuration",
  what: "does not take the start-up parameters of replication or of a session of one's own; a pooler or proxy (PgBouncer, RDS Proxy) seems to be in front",
  remedy:
    "set <prefix>_HOST and <prefix>_PORT to the database server itself; a direct endpoint is needed",
};

const NO_TLS: Explanation = {
  verdict: "configuration",
  isTls: true,
  what: "offers no TLS",
  remedy:
    "switch TLS on at the server, or, where the network is trusted, set <prefix>_SSLMODE=disable",
};

const NO_PASSWORD: Explanation = {
  verdict: "configuration",
  what: "asks for a password of <user>",
  remedy: "set <prefix>_PASSWORD or <prefix>_PASSWORD_FILE",
};

const UNKNOWN: Explanation = {
  verdict: "retry",
  what: "cannot be connected to",
  remedy: `see the server's log; ${WAY_THERE}`,
};

const unreachable = (what: string): Explanation => ({
  verdict: "retry",
  what,
  remedy: WAY_THERE,
});

const notReady = (what: string): Explanation => ({
  verdict: "retry",
  what,
  remedy: "wait; if it lasts, see the server's log",
});

const TOO_MANY = "53300";

/**
 * One code for five limits; which one is told by the function that raised
 * it, and, of a full server, by the kind of connection. The worker takes nobody
 * else's place: it waits.
 */
function exhausted(error: unknown, replicates: boolean): Explanation {
  const routine = error instanceof DatabaseError ? error.routine : undefined;
  const limit = (what: string, remedy: string): Explanation => ({
    verdict: "retry",
    what: `has no connection free for <user>: ${what}`,
    remedy: `${remedy}; the worker needs two at the source (stream and look-ups), one at the destination`,
  });
  if (routine === "InitializeSessionUserId") {
    return limit(
      "the role's CONNECTION LIMIT is reached",
      "ALTER ROLE <user> CONNECTION LIMIT …, or end connections of this role that are no longer needed",
    );
  }
  if (routine === "CheckMyDatabase") {
    return limit(
      "the CONNECTION LIMIT of database <database> is reached",
      "ALTER DATABASE … CONNECTION LIMIT …, or end connections that are no longer needed",
    );
  }
  if (replicates && routine === "InitProcess") {
    return limit(
      "all WAL senders are in use (max_wal_senders)",
      "raise max_wal_senders and restart the server, or end a replication that is no longer needed (pg_stat_replication)",
    );
  }
  return limit(
    "all are in use (max_connections)",
    "raise max_connections and restart the server, or end connections that are no longer needed (pg_stat_activity)",
  );
}

const KNOWN: ReadonlyMap<string, Explanation> = new Map([
  ["ECONNREFUSED", unreachable("refuses connections")],
  ["ENOTFOUND", unreachable("is not a name that can be resolved")],
  ["EAI_AGAIN", unreachable("could not be resolved now")],
  ["ETIMEDOUT", unreachable("does not answer")],
  ["EHOSTUNREACH", unreachable("cannot be reached")],
  ["ENETUNREACH", unreachable("cannot be reached")],
  ["ECONNRESET", unreachable("closed the connection")],
  ["EPIPE", unreachable("closed the connection")],
  ["57P01", notReady("is being shut down")],
  ["57P02", notReady("has crashed and restarts")],
  ["57P03", notReady("takes no connections yet")],
  [
    "28P01",
    {
      verdict: "configuration",
      what: "rejects the password of <user>",
      remedy:
        "correct <prefix>_USER and <prefix>_PASSWORD (or the file in <prefix>_PASSWORD_FILE, which is read anew at every connection)",
    },
  ],
  [
    "3D000",
    {
      verdict: "configuration",
      what: "has no database <database>",
      remedy: "correct <prefix>_NAME; names are case-sensitive",
    },
  ],
  [
    "42501",
    {
      verdict: "operator",
      what: "does not let <user> replicate from <database>",
      remedy:
        "ALTER ROLE … REPLICATION (on Amazon RDS and Aurora: GRANT rds_replication TO …), and GRANT CONNECT on the database",
    },
  ],
  // PgBouncer: "unsupported startup parameter: replication".
  ["08P01", POOLER],
  // IDENTIFY_SYSTEM was taken for SQL: the parameter was dropped on the way.
  ["42601", POOLER],
  ["0A000", POOLER],
]);
