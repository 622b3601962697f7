import {
  changedEnvironment,
  type EnvironmentName,
  environmentNames,
  environmentOf,
} from "../support/environments";
import {
  type Block,
  onlyResource,
  resourcesOf,
  type Template,
  templatesOf,
} from "../support/templates";

function foundationOf(name: EnvironmentName): Template {
  const { foundation } = templatesOf(environmentOf(name));
  if (!foundation) throw new Error("no foundation");
  return foundation;
}

/** Names of what there is, without the environment's part, and where it is. */
function placed(template: Template, type: string): string[] {
  return Object.values(resourcesOf(template, type)).map(
    ({ name, provider }) =>
      `${String(name).replace(/^bemi[/-][a-z-]+[/-]/, "")} ${provider ?? "aws"}`,
  );
}

const secretName = (name: unknown) =>
  String(name).split("/").slice(2).join("/");

const secretsOf = (template: Template): string[] =>
  Object.values(resourcesOf(template, "aws_secretsmanager_secret"))
    .map(({ name, provider }) => `${secretName(name)} @ ${provider ?? "aws"}`)
    .sort();

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Principal: { readonly AWS?: string; readonly Service?: unknown };
  readonly Action: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Block>>>;
}

function statements({ policy }: Block): Record<string, Statement> {
  const { Statement } = JSON.parse(String(policy)) as {
    Statement: Statement[];
  };
  return Object.fromEntries(Statement.map((one) => [one.Sid, one]));
}

test.each<[EnvironmentName, string[]]>([
  ["direct", ["source @ aws"]],
  ["ssh", ["source @ aws", "ssh @ aws"]],
  [
    "vpn-nat",
    ["source @ aws", "wireguard/node @ aws", "wireguard/server @ aws"],
  ],
  ["vpn-foreign", ["wireguard/node @ aws"]],
  ["existing-destination", ["destination @ aws", "source @ aws"]],
  [
    "two-accounts",
    ["source @ aws", "wireguard/node @ aws.source", "wireguard/server @ aws"],
  ],
])("%s has the secrets that it needs, and no other", (name, expected) => {
  expect(secretsOf(foundationOf(name))).toEqual(expected);
});

// Whatever Terraform writes or reads, it keeps in its state.
test.each(environmentNames)("no stack of %s has a secret's value", (name) => {
  const templates = templatesOf(environmentOf(name));
  const types = Object.values(templates).flatMap(
    ({ resource = {}, data = {} }) => [
      ...Object.keys(resource),
      ...Object.keys(data),
    ],
  );
  expect(types).toContain("aws_secretsmanager_secret");
  expect(
    types.filter((type) =>
      /secret_version|secret_?string|^random_|^tls_|kms_ciphertext/.test(type),
    ),
  ).toEqual([]);
});

test.each(environmentNames)(
  "every secret of %s is kept for a week, encrypted, and its account's alone",
  (name) => {
    const template = foundationOf(name);
    const secrets = resourcesOf(template, "aws_secretsmanager_secret");
    const policies = Object.values(
      resourcesOf(template, "aws_secretsmanager_secret_policy"),
    );
    expect(policies).toHaveLength(Object.keys(secrets).length);
    for (const [id, secret] of Object.entries(secrets)) {
      expect(secret).toMatchObject({
        recovery_window_in_days: 7,
        kms_key_id: expect.stringMatching(/^\$\{aws_kms_key\.\S+\.arn\}$/),
      });
      const policy = policies.find(
        ({ secret_arn }) =>
          secret_arn === `\${aws_secretsmanager_secret.${id}.arn}`,
      );
      expect(policy).toMatchObject({ block_public_policy: true });
      expect(policy?.provider).toEqual(secret.provider);
      expect(statements(policy ?? {}).OwnAccountOnly).toMatchObject({
        Effect: "Deny",
        Principal: { AWS: "*" },
        Condition: {
          StringNotEquals: {
            "aws:PrincipalAccount": secret.provider
              ? "333333333333"
              : "111111111111",
          },
        },
      });
    }
  },
);

test.each<[EnvironmentName, string[]]>([
  ["direct", ["aws"]],
  ["vpn-foreign", ["aws"]],
  ["two-accounts", ["aws", "aws.source"]],
])("%s has one key and one topic for each account", (name, expected) => {
  const template = foundationOf(name);
  for (const type of ["aws_kms_key", "aws_sns_topic", "aws_kms_alias"]) {
    const providers = Object.values(resourcesOf(template, type)).map(
      ({ provider }) => provider ?? "aws",
    );
    expect(providers.sort()).toEqual(expected);
  }
  expect(template.provider.aws).toHaveLength(expected.length);
});

test("another region of the same account has a key and a topic of its own", () => {
  const { foundation } = templatesOf(
    changedEnvironment("vpn-nat", ({ source }) => {
      source.account = { ...source.account, region: "eu-west-1" };
    }),
  );
  expect(placed(foundation as Template, "aws_kms_key")).toHaveLength(2);
  expect(placed(foundation as Template, "aws_sns_topic")).toEqual([
    "alerts aws",
    "alerts aws.source",
  ]);
});

test("nothing is made in the source's account when nothing of ours is there", () => {
  const { foundation } = templatesOf(
    changedEnvironment("no-rds", ({ source }) => {
      source.account = { id: "333333333333", region: "eu-central-1" };
    }),
  );
  expect(JSON.stringify(foundation)).not.toContain("333333333333");
});

describe("a key's policy", () => {
  const key = onlyResource(foundationOf("direct"), "aws_kms_key");
  const policy = statements(key);

  test("leaves the account its say, by which the policy can be changed", () => {
    expect(policy.Account).toEqual({
      Sid: "Account",
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::111111111111:root" },
      Action: "kms:*",
      Resource: "*",
    });
  });

  test("lets the region's logs use it for the environment's groups alone", () => {
    expect(policy.Logs?.Principal).toEqual({
      Service: "logs.us-west-1.amazonaws.com",
    });
    expect(policy.Logs?.Condition).toEqual({
      ArnLike: {
        "kms:EncryptionContext:aws:logs:arn": [
          "arn:aws:logs:us-west-1:111111111111:log-group:/bemi/direct/*",
          "arn:aws:logs:us-west-1:111111111111:log-group:/aws/rds/cluster/bemi-direct*",
        ],
      },
    });
  });

  test("lets alarms of the account reach the topic, and events", () => {
    expect(policy.Alarms).toMatchObject({
      Principal: {
        Service: ["cloudwatch.amazonaws.com", "sns.amazonaws.com"],
      },
      Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
      Condition: { StringEquals: { "aws:SourceAccount": "111111111111" } },
    });
    // A condition on the source would drop every event (see the construct).
    expect(policy.Events).toMatchObject({
      Principal: { Service: "events.amazonaws.com" },
      Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
    });
    expect(policy.Events).not.toHaveProperty("Condition");
  });

  test("names nobody else", () => {
    expect(Object.keys(policy)).toEqual([
      "Account",
      "Logs",
      "Alarms",
      "Events",
    ]);
  });

  test("is of the region's own partition", () => {
    const { foundation } = templatesOf(
      changedEnvironment("direct", ({ source, worker }) => {
        const account = { id: "111111111111", region: "cn-north-1" };
        source.account = account;
        if (worker) worker.account = account;
      }),
    );
    expect(String(onlyResource(foundation, "aws_kms_key").policy)).toContain(
      "arn:aws-cn:iam::111111111111:root",
    );
  });
});

test("every key rotates, and can be had back for thirty days", () => {
  for (const key of Object.values(
    resourcesOf(foundationOf("two-accounts"), "aws_kms_key"),
  )) {
    expect(key).toMatchObject({
      enable_key_rotation: true,
      deletion_window_in_days: 30,
    });
  }
});

test.each<[EnvironmentName, boolean[]]>([
  ["direct", [true]],
  ["existing-destination", [false]],
  ["vpn-foreign", [false]],
  ["two-accounts", [true, false]],
])(
  "the key of %s that the trail rests on is not destroyed by a plan",
  (name, expected) => {
    const keys = resourcesOf(foundationOf(name), "aws_kms_key");
    expect(Object.values(keys).map(({ lifecycle }) => lifecycle)).toEqual(
      expected.map((prevent_destroy) => ({ prevent_destroy })),
    );
  },
);

test("whoever gives up the trail's protection can give up the key as well", () => {
  const { foundation } = templatesOf(
    changedEnvironment("direct", (file) => {
      file.destination = { kind: "aurora", deletionProtection: false };
    }),
  );
  expect(onlyResource(foundation, "aws_kms_key").lifecycle).toEqual({
    prevent_destroy: false,
  });
});

describe("the image's repository", () => {
  const template = foundationOf("direct");

  test("never changes what a tag means, scans, and encrypts", () => {
    expect(onlyResource(template, "aws_ecr_repository")).toMatchObject({
      image_tag_mutability: "IMMUTABLE",
      image_scanning_configuration: { scan_on_push: true },
      encryption_configuration: [
        {
          encryption_type: "KMS",
          kms_key: expect.stringMatching(/^\$\{aws_kms_key\./),
        },
      ],
      force_delete: false,
    });
  });

  // Rules know nothing of services: whichever selects tagged images takes the
  // deployed one when its day has come.
  test("expires nothing that has a tag", () => {
    const { policy } = onlyResource(template, "aws_ecr_lifecycle_policy");
    const { rules } = JSON.parse(String(policy)) as {
      rules: { selection: { tagStatus: string } }[];
    };
    expect(rules.map(({ selection }) => selection.tagStatus)).toEqual([
      "untagged",
    ]);
  });

  test("is left out where the worker is somebody else's", () => {
    const foreign = foundationOf("vpn-foreign");
    expect(resourcesOf(foreign, "aws_ecr_repository")).toEqual({});
    expect(foreign.output).not.toHaveProperty("repository_url");
  });
});

describe("an alert topic", () => {
  const template = foundationOf("two-accounts");
  const policies = Object.values(
    resourcesOf(template, "aws_sns_topic_policy"),
  ).map(statements);

  test("is encrypted with the key of its own account", () => {
    const topics = Object.values(resourcesOf(template, "aws_sns_topic"));
    expect(topics.map((topic) => topic.kms_master_key_id)).toEqual([
      expect.stringMatching(/^\$\{aws_kms_key\.key_/),
      expect.stringMatching(/^\$\{aws_kms_key\.source-key_/),
    ]);
  });

  test("refuses what does not come over TLS", () => {
    for (const policy of policies) {
      expect(policy.TlsOnly).toMatchObject({
        Effect: "Deny",
        Principal: { AWS: "*" },
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      });
    }
  });

  test("takes alarms and events of its own account and region alone", () => {
    const [home, source] = policies;
    expect(home?.Alarms?.Condition).toEqual({
      StringEquals: { "aws:SourceAccount": "111111111111" },
      ArnLike: {
        "aws:SourceArn": "arn:aws:cloudwatch:us-west-1:111111111111:alarm:*",
      },
    });
    expect(source?.Events?.Condition).toEqual({
      ArnLike: {
        "aws:SourceArn": "arn:aws:events:eu-central-1:333333333333:rule/*",
      },
    });
    for (const policy of policies) {
      const allowed = Object.values(policy).filter(
        ({ Effect }) => Effect === "Allow",
      );
      expect(allowed.map(({ Principal }) => Principal)).toEqual([
        { Service: "cloudwatch.amazonaws.com" },
        { Service: "events.amazonaws.com" },
      ]);
      expect(allowed.every(({ Condition }) => Condition)).toBe(true);
    }
  });

  test("tells every reader that the file names", () => {
    const { foundation } = templatesOf(environmentOf("vpn-options"));
    expect(
      onlyResource(foundation, "aws_sns_topic_subscription"),
    ).toMatchObject({ protocol: "email", endpoint: "platform@example.com" });
    expect(resourcesOf(template, "aws_sns_topic_subscription")).toEqual({});
  });
});

test("the outputs are names and ARNs under the names that are documented", () => {
  const outputs = Object.keys(foundationOf("vpn-nat").output ?? {}).filter(
    (name) => !name.startsWith("cross-stack-output-"),
  );
  expect(outputs.sort()).toEqual([
    "alert_topic_arn",
    "kms_key_arn",
    "repository_url",
    "secrets",
    "source_alert_topic_arn",
    "source_kms_key_arn",
  ]);
});
