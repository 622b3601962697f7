/** The commands as an operator starts them: exit codes, retries, what is shown. */
import { AwsEndpoint, type AwsRequest, refusal } from "../support/aws-endpoint";
import { environmentFile } from "../support/environments";
import { Kit } from "../support/script-run";

const COMMANDS = ["keys", "secret", "image", "deploy"] as const;

const container = ({ body }: AwsRequest) => ({
  body: {
    ARN: `arn:aws:secretsmanager:us-west-1:111111111111:secret:${body.SecretId}-AbCdEf`,
  },
});

describe.each(COMMANDS)("npm run %s", (command) => {
  test.concurrent("explains itself", async () => {
    using kit = new Kit(environmentFile("before-keys-ssh"));
    const { code, stdout } = await kit.run(command, ["--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: npm run ${command} -- [options] <env>`);
  });

  test.concurrent("says what is wrong with how it was started, and exits with 2", async () => {
    using kit = new Kit(environmentFile("before-keys-ssh"));
    const which = command === "secret" ? ["source"] : [];
    const [without, unknown, extra] = await Promise.all([
      kit.run(command, []),
      kit.run(command, ["prdo", ...which]),
      kit.run(command, ["prod", ...which, "another"]),
    ]);
    expect([without.code, unknown.code, extra.code]).toEqual([2, 2, 2]);
    expect(without.stderr).toContain("missing required argument 'env'");
    expect(unknown.stderr).toContain('no environment "prdo": there are prod');
    expect(extra.stderr).toContain("too many arguments");
  });

  test.concurrent("reads a wrong environment's problems out, and exits with 2", async () => {
    using kit = new Kit({ ...environmentFile("before-keys-ssh"), tags: 7 });
    const args = command === "secret" ? ["prod", "source"] : ["prod"];
    const all = command === "deploy" ? [...args, "--yes"] : args;
    const { code, stderr } = await kit.run(command, all);
    expect(code).toBe(2);
    expect(stderr).toContain("tags: got 7");
  });
});

test.concurrent.each([
  [["prod", "--rotate", "node"], "has no key node: it has ssh"],
  [["prod", "--rotate", "prod"], "Allowed choices are node, server, ssh"],
  [["prod", "--rotate", "--rollback"], "cannot be used with"],
])("npm run keys -- %j is refused", async (args, expected) => {
  using kit = new Kit(environmentFile("before-keys-ssh"));
  const { code, stderr } = await kit.run("keys", args);
  expect(code).toBe(2);
  expect(stderr).toContain(expected);
});

test.concurrent("a rollback of one end has to say which", async () => {
  using kit = new Kit(environmentFile("vpn-nat"));
  const { code, stderr } = await kit.run("keys", ["prod", "--rollback"]);
  expect(code).toBe(2);
  expect(stderr).toContain("say which one to roll back, node or server");
});

test.concurrent("nobody approves a plan in a pipe", async () => {
  using kit = new Kit(environmentFile("direct"));
  const { code, stderr } = await kit.run("deploy", ["prod"]);
  expect(code).toBe(2);
  expect(stderr).toContain("give --yes");
});

test.concurrent("a private key is sent to AWS and shown nowhere", async () => {
  await using aws = await AwsEndpoint.start((request) =>
    request.operation === "DescribeSecret" ? container(request) : { body: {} },
  );
  using kit = new Kit(environmentFile("before-keys-ssh"));
  const { code, stdout, stderr } = await kit.run("keys", ["prod"], {
    endpoint: aws.url,
  });
  expect(code).toBe(0);
  const put = aws.requests.find(
    ({ operation }) => operation === "PutSecretValue",
  );
  const pair = JSON.parse(String(put?.body.SecretString));
  expect(pair.privateKey).toContain("BEGIN OPENSSH PRIVATE KEY");
  expect(stdout).toContain(pair.publicKey);
  expect(stdout).toContain("npm run deploy -- prod");
  const lines = pair.privateKey
    .split("\n")
    .filter((line: string) => !line.startsWith("---") && line);
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines) {
    for (const place of [stdout, stderr, kit.text])
      expect(place).not.toContain(line);
  }
});

test.concurrent("what AWS throttles is tried again", async () => {
  let refused = 0;
  await using aws = await AwsEndpoint.start((request) =>
    refused++ < 2 ? refusal("ThrottlingException") : container(request),
  );
  using kit = new Kit(environmentFile("before-keys-ssh"));
  const { code, stdout } = await kit.run("keys", ["prod"], {
    endpoint: aws.url,
  });
  expect(code).toBe(0);
  expect(stdout).toContain("ssh: made");
});

test.concurrent("what AWS goes on throttling is given up with one sentence", async () => {
  await using aws = await AwsEndpoint.start(() =>
    refusal("ThrottlingException"),
  );
  using kit = new Kit(environmentFile("before-keys-ssh"));
  const { code, stderr } = await kit.run("keys", ["prod"], {
    endpoint: aws.url,
  });
  expect(code).toBe(1);
  expect(aws.requests).toHaveLength(6);
  expect(stderr).toMatch(
    /^could not look at the secret bemi\/prod\/ssh .*too often.*$/m,
  );
  expect(stderr).not.toContain("    at ");
});

test.concurrent("a refused connection is one sentence", async () => {
  const aws = await AwsEndpoint.start(() => refusal("Never"));
  const { url } = aws;
  await aws[Symbol.asyncDispose]();
  using kit = new Kit(environmentFile("before-keys-ssh"));
  const { code, stderr } = await kit.run("keys", ["prod"], { endpoint: url });
  expect(code).toBe(1);
  expect(stderr).toContain("AWS cannot be reached from here");
  expect(stderr).not.toContain("    at ");
});

test.concurrent("a password comes through a pipe, and is shown nowhere", async () => {
  await using aws = await AwsEndpoint.start((request) =>
    request.operation === "DescribeSecret" ? container(request) : { body: {} },
  );
  using kit = new Kit(environmentFile("direct"));
  const { code, stdout, stderr } = await kit.run("secret", ["prod", "source"], {
    endpoint: aws.url,
    input: "hunter2\n",
  });
  expect(code).toBe(0);
  expect(aws.requests.at(-1)?.body.SecretString).toBe(
    '{"username":"bemi","password":"hunter2"}',
  );
  expect(stdout + stderr).not.toContain("hunter2");
});
