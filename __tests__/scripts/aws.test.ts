import {
  AssumeRoleCommand,
  GetCallerIdentityCommand,
  STSClient,
} from "@aws-sdk/client-sts";
import { mockClient } from "aws-sdk-client-mock";
import { clientSettings, requireAccount } from "../../scripts/aws";
import { environmentOf } from "../support/environments";
import { AwsError } from "../support/fake-secrets";

const sts = mockClient(STSClient);
const { account } = environmentOf("two-accounts").source;
const roleArn = String(account.roleArn);

beforeEach(() => sts.reset());

test("without a role the caller's own credentials are taken", () => {
  const { account: own } = environmentOf("direct").source;
  expect(clientSettings(own)).not.toHaveProperty("credentials");
  expect(clientSettings(own).region).toBe("us-west-1");
});

test("the account's role is assumed with its external id", async () => {
  const expiration = new Date("2026-11-20T13:00:00Z");
  sts.on(AssumeRoleCommand).resolves({
    Credentials: {
      AccessKeyId: "AKID",
      SecretAccessKey: "secret",
      SessionToken: "token",
      Expiration: expiration,
    },
  });
  const { credentials, region } = clientSettings(account);
  expect(region).toBe("eu-central-1");
  expect(await credentials?.()).toEqual({
    accessKeyId: "AKID",
    secretAccessKey: "secret",
    sessionToken: "token",
    expiration,
  });
  expect(sts.commandCalls(AssumeRoleCommand)[0]?.args[0].input).toEqual({
    RoleArn: roleArn,
    RoleSessionName: "bemi-provisioning-kit",
    ExternalId: "bemi",
  });
});

test("a role that may not be assumed is one sentence", async () => {
  sts.on(AssumeRoleCommand).rejects(new AwsError("AccessDenied"));
  await expect(clientSettings(account).credentials?.()).rejects.toThrow(
    `could not assume the role ${roleArn}: its trust policy does not name you`,
  );
});

test.each([
  ["333333333333", undefined],
  [
    "999999999999",
    "are for account 999999999999, but the environment is in 333333333333",
  ],
  [undefined, "are for account unknown"],
])("credentials of account %s", async (id, expected) => {
  sts.on(GetCallerIdentityCommand).resolves(id ? { Account: id } : {});
  const checked = requireAccount(account);
  if (expected) await expect(checked).rejects.toThrow(expected);
  else await expect(checked).resolves.toBeUndefined();
});

test.each([
  ["ExpiredTokenException", "sign in again"],
  ["CredentialsProviderError", "no AWS credentials"],
])(
  "%s is said before anything is asked of another service",
  async (name, expected) => {
    sts.on(GetCallerIdentityCommand).rejects(new AwsError(name));
    await expect(requireAccount(account)).rejects.toThrow(expected);
  },
);
