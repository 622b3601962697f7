/**
 * Name and password of the worker's role in a database, and the key of its
 * certificate where it shows one, as its task has them.
 */
import {
  CLIENT_KEY,
  clientCertificateOf,
} from "../../config/client-certificate";
import type { Account, Environment } from "../../config/environment";
import { namesOf } from "../../config/names";
import { Failure, UsageError } from "../command-line";
import { StoredSecret } from "../stored-secret";

export const DATABASES = ["source", "destination"] as const;

export type DatabaseName = (typeof DATABASES)[number];

export interface DatabaseSecret {
  readonly database: DatabaseName;
  readonly secretName: string;
  readonly account: Account;
  readonly username: string;
  /** For messages: where that role is. */
  readonly host: string;
  /** PEM of the certificate whose key is needed as well. */
  readonly clientCertificate?: string | undefined;
}

/** Those that an operator fills in: RDS keeps the password of what it makes. */
export function neededSecrets(environment: Environment): DatabaseSecret[] {
  const { worker, source, destination, name } = environment;
  if (!worker) return [];
  const { secrets } = namesOf(name);
  const { account } = worker;
  const ofSource: DatabaseSecret = {
    database: "source",
    secretName: secrets.source,
    account,
    username: source.user,
    host: source.host,
    clientCertificate: clientCertificateOf(environment, "source"),
  };
  if (destination.kind !== "existing") return [ofSource];
  const { user: username, host } = destination;
  return [
    ofSource,
    {
      database: "destination",
      secretName: secrets.destination,
      account,
      username,
      host,
      clientCertificate: clientCertificateOf(environment, "destination"),
    },
  ];
}

/** @throws UsageError when the environment has no such secret */
export function neededSecret(
  environment: Environment,
  database: DatabaseName,
): DatabaseSecret {
  const found = neededSecrets(environment).find(
    (secret) => secret.database === database,
  );
  if (found) return found;
  throw new UsageError(
    environment.worker
      ? "this environment makes its own destination, whose password RDS keeps: there is nothing to give"
      : "this environment has no worker of its own, and needs no passwords",
  );
}

interface Content {
  readonly username?: string;
  readonly password?: string;
  readonly [CLIENT_KEY]?: string;
}

/** @returns "unchanged" when that password is there already */
export async function storePassword(
  environment: Environment,
  { secretName, account, username }: DatabaseSecret,
  password: string,
): Promise<"stored" | "unchanged"> {
  requirePassword(password);
  return changeSecret(environment, { secretName, account }, (content) => ({
    ...content,
    username,
    password,
  }));
}

/** Edits the current version, what else is in it included. */
export async function changeSecret(
  environment: Environment,
  { secretName, account }: Pick<DatabaseSecret, "secretName" | "account">,
  edit: (content: Content) => Content,
): Promise<"stored" | "unchanged"> {
  const secret = new StoredSecret(secretName, {
    account,
    environment: environment.name,
  });
  const versions = await secret.versions();
  const before = versions.current ? await secret.read(versions.current) : "";
  const text = JSON.stringify(edit(parse(before)));
  if (before === text) return "unchanged";
  await secret.write(text, versions);
  return "stored";
}

/** What is not ours to read is written anew. */
function parse(text: string): Content {
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null ? content : {};
  } catch {
    return {};
  }
}

export interface MissingSecret extends DatabaseSecret {
  readonly missing: "password" | "client key";
}

/** What an environment's tasks would not start without. */
export async function missingSecrets(
  environment: Environment,
): Promise<MissingSecret[]> {
  const looked = await Promise.all(
    neededSecrets(environment).map(async (needed) => {
      const secret = new StoredSecret(needed.secretName, {
        account: needed.account,
        environment: environment.name,
      });
      const { current } = await secret.versions();
      if (!current) return [{ ...needed, missing: "password" as const }];
      if (!needed.clientCertificate) return [];
      const { [CLIENT_KEY]: key } = parse(await secret.read(current));
      return key ? [] : [{ ...needed, missing: "client key" as const }];
    }),
  );
  return looked.flat();
}

/** Secrets Manager's limit is 64 KiB; nobody's password is that long. */
const MAX_CHARACTERS = 1024;

function requirePassword(password: string): void {
  const problem =
    password === ""
      ? "is empty"
      : /\p{Cc}/u.test(password)
        ? "has a line break or another control character in it: give it on one line"
        : password.length > MAX_CHARACTERS
          ? `has more than ${MAX_CHARACTERS} characters`
          : undefined;
  if (problem)
    throw new Failure(`the password ${problem}; nothing was changed`);
}
