import { DatabaseError } from "pg";
import { describeConnectFailure } from "../../worker/network/connect-errors";

const connection = {
  prefix: "DEST_DB",
  host: "db.internal",
  port: 5432,
  database: "app",
  user: "bemi",
  password: "hunter2",
  tls: { mode: "verify-full", serverName: "db.internal" },
} as const;

function failure(code: string | undefined, message = "text of the server") {
  return describeConnectFailure(
    Object.assign(new Error(message), code ? { code } : {}),
    connection,
  );
}

test.each([
  ["ECONNREFUSED", "retry", "refuses connections"],
  ["ENOTFOUND", "retry", "is not a name"],
  ["ETIMEDOUT", "retry", "does not answer"],
  ["EHOSTUNREACH", "retry", "cannot be reached"],
  ["ECONNRESET", "retry", "closed the connection"],
  ["53300", "retry", 'has no connection free for "bemi"'],
  ["57P03", "retry", "takes no connections yet"],
  ["28P01", "configuration", 'rejects the password of "bemi"'],
  ["28000", "configuration", 'does not let "bemi" in'],
  ["3D000", "configuration", 'has no database "app"'],
  ["08P01", "configuration", "pooler"],
  ["42601", "configuration", "pooler"],
  ["42501", "operator", 'does not let "bemi" replicate'],
  ["SELF_SIGNED_CERT_IN_CHAIN", "configuration", "not trusted"],
  ["CERT_SIGNATURE_FAILURE", "configuration", "not trusted"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "configuration", 'not for "db.internal"'],
  ["CERT_HAS_EXPIRED", "operator", "has expired"],
  ["CERT_NOT_YET_VALID", "operator", "is not valid yet"],
  ["INVALID_PURPOSE", "operator", "cannot be verified"],
  [
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "configuration",
    "may ask for a client certificate",
  ],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "configuration", "no TLS connection"],
  ["XX999", "retry", "cannot be connected to"],
])("%s is to be answered by %s: %s", (code, verdict, words) => {
  const described = failure(code);
  expect(described.verdict).toBe(verdict);
  expect(described.message).toContain(`db.internal:5432 `);
  expect(described.message).toContain(words);
});

test.each([
  ["ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED", "it has expired"],
  ["ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED", "it has expired"],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "does not trust its authority"],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "none is shown"],
  ["ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "no TLS connection"],
])("with a client certificate, %s: %s", (code, words) => {
  const client = { certificate: "", key: "" };
  const error = Object.assign(new Error("x"), { code });
  const described = describeConnectFailure(error, {
    ...connection,
    tls: { ...connection.tls, client },
  });
  expect(described.message).toContain(words);
});

test("a server without TLS is told from others that give no code", () => {
  expect(
    failure(undefined, "The server does not support SSL connections"),
  ).toMatchObject({
    verdict: "configuration",
    remedy: expect.stringContaining("DEST_DB_SSLMODE=disable"),
  });
  expect(failure(undefined).verdict).toBe("retry");
});

test.each<[string, string, boolean]>([
  ["max_wal_senders", "InitProcess", true],
  ["max_connections", "InitProcess", false],
  ["max_connections", "BackendInitialize", true],
  ["CONNECTION LIMIT of database", "CheckMyDatabase", true],
  ["role's CONNECTION LIMIT", "InitializeSessionUserId", true],
])("%s is told apart by %s", (setting, routine, replicates) => {
  const error = new DatabaseError("x", 1, "error");
  Object.assign(error, { code: "53300", routine });
  const described = describeConnectFailure(error, connection, { replicates });
  expect(described.verdict).toBe("retry");
  expect(described.message).toContain(setting);
});

test("the remedy names this connection's own variables", () => {
  expect(failure("28P01").remedy).toContain("DEST_DB_PASSWORD");
});

test("a name with several addresses is described by the first", () => {
  const refused = Object.assign(new Error("x"), { code: "ECONNREFUSED" });
  const error = new AggregateError([refused]);
  expect(describeConnectFailure(error, connection).message).toContain(
    "refuses connections",
  );
});

test("says nothing of a password, wherever it is", () => {
  for (const code of [undefined, "28P01", "XX999", "ECONNREFUSED"]) {
    const text = JSON.stringify(failure(code, "password hunter2 is wrong"));
    expect(text).not.toContain("hunter2");
  }
});
