/** The key of the worker's own certificate, beside the password in its secret. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { CLIENT_KEY } from "../../config/client-certificate";
import type { Environment } from "../../config/environment";
import { Failure, UsageError } from "../command-line";
import { changeSecret, type DatabaseSecret } from "./database-secret";

/**
 * The key of the certificate that the environment file has, beside the password.
 * @returns "unchanged" when that key is there already
 */
export async function storeClientKey(
  environment: Environment,
  { secretName, account, database, clientCertificate }: DatabaseSecret,
  key: string,
): Promise<"stored" | "unchanged"> {
  const variable = database === "source" ? "DB_SSLCERT" : "DEST_DB_SSLCERT";
  if (clientCertificate === undefined) {
    throw new UsageError(
      `the worker shows no certificate there: set worker.settings.${variable} first`,
    );
  }
  requireKeyOf(clientCertificate, key, variable);
  return changeSecret(environment, { secretName, account }, (content) => {
    if (content.password !== undefined)
      return { ...content, [CLIENT_KEY]: key };
    throw new Failure(
      `${secretName} has no password yet: store that first, with the same command without --client-key`,
    );
  });
}

function requireKeyOf(
  certificate: string,
  key: string,
  variable: string,
): void {
  const problem = keyProblem(certificate, key);
  if (problem === undefined) return;
  throw new Failure(
    `the key ${problem.replace("<variable>", variable)}; nothing was changed`,
  );
}

function keyProblem(certificate: string, key: string): string | undefined {
  if (/ENCRYPTED/.test(key)) {
    return "is encrypted: openssl pkey -in FILE writes it without, and the secret protects it";
  }
  try {
    return new X509Certificate(certificate).checkPrivateKey(
      createPrivateKey(key),
    )
      ? undefined
      : "is not that of the certificate in worker.settings.<variable>";
  } catch {
    return "or the certificate in worker.settings.<variable> cannot be read: both are PEM";
  }
}
