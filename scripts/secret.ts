/**
 * `npm run secret -- <env> source`: the password of the worker's role, or the key
 * of its certificate, into Secrets Manager. A password is typed or piped in: as
 * an argument it would be in the shell's history and in the list of processes.
 */
import { readFileSync } from "node:fs";
import { Argument } from "commander";
import type { Environment } from "../config/environment";
import { environmentCommand, Failure, runCommand } from "./command-line";
import { EnvironmentFile } from "./environment-file";
import { withProgress } from "./progress";
import { storeClientKey } from "./secret/client-key";
import {
  DATABASES,
  type DatabaseName,
  type DatabaseSecret,
  neededSecret,
  storePassword,
} from "./secret/database-secret";
import { readHidden } from "./secret/hidden-line";

const command = environmentCommand(
  "secret",
  "Stores the password of the worker's role at the source, or at a destination that was there before, in Secrets Manager, after the foundation is deployed. It is asked for without being shown, or read from a pipe; the role's name is the environment file's.",
)
  .addArgument(new Argument("<database>", "whose password").choices(DATABASES))
  .option(
    "--client-key <file>",
    "store the private key of the certificate in worker.settings.DB_SSLCERT (DEST_DB_SSLCERT) instead, beside the password; PEM, not encrypted",
  );

runCommand(async () => {
  command.parse();
  const [name = "", database] = command.processedArgs as [string, DatabaseName];
  const environment = EnvironmentFile.of(name).read();
  const secret = neededSecret(environment, database);
  const { clientKey } = command.opts<{ clientKey?: string }>();
  const { what, changed } =
    clientKey === undefined
      ? await password(environment, secret)
      : await key(environment, secret, clientKey);
  console.log(
    changed === "unchanged"
      ? `${secret.secretName} has that ${what} already.`
      : `${secret.secretName} has the ${what} of ${secret.username}.\nNext:\n  1. npm run deploy -- ${name}\n  2. if the worker runs already, restart its task: it reads the ${what} at its start`,
  );
});

async function password(environment: Environment, secret: DatabaseSecret) {
  const password = await readHidden(
    `Password of ${secret.username} at ${secret.host} (not shown)`,
    { input: process.stdin, output: process.stderr },
  );
  const changed = await withProgress(`Secret ${secret.secretName}`, () =>
    storePassword(environment, secret, password),
  );
  return { what: "password", changed };
}

async function key(
  environment: Environment,
  secret: DatabaseSecret,
  path: string,
) {
  const changed = await withProgress(`Secret ${secret.secretName}`, () =>
    storeClientKey(environment, secret, readKey(path)),
  );
  return { what: "client key", changed };
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${String(error)}`);
  }
}
