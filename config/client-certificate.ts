/**
 * The worker's own certificates at the databases: each is a setting of the
 * environment file, and its key is beside the password in the database's secret.
 */
import type { Environment } from "./environment";

/** Key in the secret's JSON object. */
export const CLIENT_KEY = "clientKey";

/** PEM; undefined: none is shown to that database. */
export function clientCertificateOf(
  { worker }: Pick<Environment, "worker">,
  database: "source" | "destination",
): string | undefined {
  const { DB_SSLCERT, DEST_DB_SSLCERT } = worker?.settings ?? {};
  return database === "source" ? DB_SSLCERT : DEST_DB_SSLCERT;
}
