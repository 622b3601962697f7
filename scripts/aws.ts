/**
 * AWS as an environment's account says: its region, and the role that it names
 * or else the caller's own credentials.
 */
import {
  AssumeRoleCommand,
  GetCallerIdentityCommand,
  STSClient,
} from "@aws-sdk/client-sts";
import type { Account } from "../config/environment";
import { awsFailure } from "./aws-failure";
import { Failure } from "./command-line";

/** Attempts of the SDK with growing pauses, about 10 s in all when throttled. */
const MAX_ATTEMPTS = 6;

/** What every client is made with. */
export function clientSettings(account: Account) {
  const { region, roleArn } = account;
  return {
    region,
    maxAttempts: MAX_ATTEMPTS,
    ...(roleArn ? { credentials: () => assumeRole(account, roleArn) } : {}),
  };
}

/** For messages. */
export function placeOf({ id, region }: Account): string {
  return `account ${id}, ${region}`;
}

/**
 * Whoever is signed in elsewhere changes nothing there. AWS needs no permission
 * for the question.
 * @throws Failure when the credentials are of another account, or none
 */
export async function requireAccount(account: Account): Promise<void> {
  const id = await callerAccount(account);
  if (id === account.id) return;
  throw new Failure(
    `the AWS credentials are for account ${id ?? "unknown"}, but the environment is in ${account.id}: set AWS_PROFILE to a profile of that account, or give the environment's account a roleArn; nothing was changed`,
  );
}

async function callerAccount(account: Account): Promise<string | undefined> {
  const client = new STSClient(clientSettings(account));
  try {
    const { Account: id } = await client.send(new GetCallerIdentityCommand({}));
    return id;
  } catch (error) {
    throw awsFailure(error, {
      doing: `ask AWS whose credentials these are (${placeOf(account)})`,
    });
  }
}

async function assumeRole(account: Account, roleArn: string) {
  const { region, externalId } = account;
  const client = new STSClient({ region, maxAttempts: MAX_ATTEMPTS });
  try {
    const { Credentials } = await client.send(
      new AssumeRoleCommand({
        RoleArn: roleArn,
        RoleSessionName: "bemi-provisioning-kit",
        ...(externalId ? { ExternalId: externalId } : {}),
      }),
    );
    if (!Credentials?.AccessKeyId || !Credentials.SecretAccessKey) {
      throw new Failure(`the role ${roleArn} came without credentials`);
    }
    return {
      accessKeyId: Credentials.AccessKeyId,
      secretAccessKey: Credentials.SecretAccessKey,
      ...(Credentials.SessionToken
        ? { sessionToken: Credentials.SessionToken }
        : {}),
      ...(Credentials.Expiration ? { expiration: Credentials.Expiration } : {}),
    };
  } catch (error) {
    throw awsFailure(error, {
      doing: `assume the role ${roleArn}`,
      meanings: {
        AccessDenied:
          "its trust policy does not name you, wants another externalId, or sts:AssumeRole is not allowed to you",
      },
    });
  }
}
