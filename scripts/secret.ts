/**
 * `npm run secret -- <env> source`: the password of the worker's role into
 * Secrets Manager. Typed or piped in: as an argument it would be in the shell's
 * history and in the list of processes.
 */
import { Argument } from "commander";
import { environmentCommand, runCommand } from "./command-line";
import { EnvironmentFile } from "./environment-file";
import { withProgress } from "./progress";
import {
  DATABASES,
  type DatabaseName,
  neededSecret,
  storePassword,
} from "./secret/database-secret";
import { readHidden } from "./secret/hidden-line";

const command = environmentCommand(
  "secret",
  "Stores the password of the worker's role at the source, or at a destination that was there before, in Secrets Manager, after the foundation is deployed. It is asked for without being shown, or read from a pipe; the role's name is the environment file's.",
).addArgument(new Argument("<database>", "whose password").choices(DATABASES));

runCommand(async () => {
  command.parse();
  const [name = "", database] = command.processedArgs as [string, DatabaseName];
  const environment = EnvironmentFile.of(name).read();
  const secret = neededSecret(environment, database);
  const password = await readHidden(
    `Password of ${secret.username} at ${secret.host} (not shown)`,
    { input: process.stdin, output: process.stderr },
  );
  const what = await withProgress(`Secret ${secret.secretName}`, () =>
    storePassword(environment, secret, password),
  );
  console.log(
    what === "unchanged"
      ? `${secret.secretName} has that password already.`
      : `${secret.secretName} has the password of ${secret.username}.\nNext:\n  1. npm run deploy -- ${name}\n  2. if the worker runs already, restart its task: it reads the password at its start`,
  );
});
