/** What 28000 means: the server knows who asks, and does not let them in. */
import { DatabaseError } from "pg";
import type { ConnectTarget, Explanation } from "./connect-errors";

/**
 * One code for whatever pg_hba.conf and the role's attributes say; told apart by
 * what we have shown, and by the function that raised it. The server's own words
 * are names and an address.
 */
export function notLetIn(
  error: unknown,
  tls: ConnectTarget["tls"],
): Explanation {
  const { message, routine } = error as Partial<DatabaseError>;
  const said = error instanceof DatabaseError ? `: ${message}` : "";
  const refused = (remedy: string): Explanation => ({
    verdict: "configuration",
    what: `does not let <user> in${said}`,
    remedy,
  });
  if (routine === "ClientAuthentication" && tls.mode === "disable") {
    return refused(
      "the server may take no connections without TLS: set <prefix>_SSLMODE=verify-full; otherwise allow this one in pg_hba.conf",
    );
  }
  if (routine === "ClientAuthentication" && tls.client === undefined) {
    return refused(
      "allow it in pg_hba.conf, for the database and for replication; where a client certificate is asked for, set <prefix>_SSLCERT and <prefix>_SSLKEY",
    );
  }
  if (routine === "auth_failed" && tls.client !== undefined) {
    return refused(
      "the common name of the certificate in <prefix>_SSLCERT must be the role's name, or be mapped to it in pg_ident.conf",
    );
  }
  return refused(
    "check <prefix>_USER and that the role may log in; pg_hba.conf must allow it, for the database and for replication, and may ask for TLS (<prefix>_SSLMODE)",
  );
}
