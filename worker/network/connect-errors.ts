/**
 * What a failed connection means to an operator, and what to do next. Decided
 * by SQLSTATE and errno; texts differ between versions and languages. Says
 * nothing of the password, nor of a text that may hold it.
 */
import { DatabaseError } from "pg";
import { errorCode } from "../sql-state";

/** Which server was meant; no more than this is ever said of it. */
export interface ConnectTarget {
  /** What its variables begin with: `DB` or `DEST_DB`. */
  readonly prefix: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
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
}

type Verdict = "retry" | "configuration" | "operator";

export function describeConnectFailure(
  error: unknown,
  connection: ConnectTarget,
  { replicates }: { readonly replicates: boolean } = { replicates: false },
): ConnectFailure {
  const code = codeOf(error);
  const { verdict, what, remedy } =
    code === TOO_MANY ? exhausted(error, replicates) : explain(error, code);
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
  };
}

interface Explanation {
  readonly verdict: Verdict;
  /** Goes on after "host:port". */
  readonly what: string;
  readonly remedy: string;
}

function explain(error: unknown, code: string | undefined): Explanation {
  if (code === undefined) return explainText(error);
  const known = KNOWN.get(code);
  if (known) return known;
  if (CERTIFICATE_CODES.has(code)) return UNTRUSTED;
  return /^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code) ? TLS_BROKEN : UNKNOWN;
}

/** pg's own errors have no code; their texts are the same everywhere. */
function explainText(error: unknown): Explanation {
  const text = error instanceof Error ? error.message : "";
  if (/does not support SSL/.test(text)) return NO_TLS;
  if (/^timeout expired$/.test(text)) return unreachable("does not answer");
  return /^Connection terminated/.test(text)
    ? unreachable("closed the connection")
    : UNKNOWN;
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
  what: "offers no TLS",
  remedy:
    "switch TLS on at the server, or, where the network is trusted, set <prefix>_SSLMODE=disable",
};

const UNTRUSTED: Explanation = {
  verdict: "configuration",
  what: "shows a TLS certificate that cannot be verified",
  remedy:
    "set <prefix>_SSLROOTCERT to the authority that signed it, and <prefix>_SSL_SERVERNAME to the name it is for when connecting through a tunnel or by address",
};

const TLS_BROKEN: Explanation = {
  verdict: "configuration",
  what: "and the worker agree on no TLS connection",
  remedy:
    "check that <prefix>_HOST and <prefix>_PORT are PostgreSQL's and its TLS versions are 1.2 or later",
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
 * One code for five limits (H44); which one is told by the function that raised
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
    "28000",
    {
      verdict: "configuration",
      what: "does not let <user> in",
      remedy:
        "check <prefix>_USER and that the role may log in; pg_hba.conf must allow it, for the database and for replication, and may ask for TLS (<prefix>_SSLMODE)",
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

const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "HOSTNAME_MISMATCH",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
