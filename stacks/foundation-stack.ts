/**
 * What the other stacks, and the scripts between them, need to be there first:
 * keys of KMS, containers of secrets, the image's repository, alert topics.
 *
 * Most of it is where the worker is. What a VPN node or the source's alarms use
 * has to be in the source's own account and region: an alarm reaches no topic
 * of another one, and a role none of another's secrets without more rights.
 */
import { TerraformOutput, type TerraformProvider } from "cdktf";
import type { Construct } from "constructs";
import type { Account, Environment } from "../config/environment";
import { type Names, namesOf } from "../config/names";
import { AlertTopic } from "../constructs/alert-topic";
import { EncryptionKey } from "../constructs/encryption-key";
import { ImageRepository } from "../constructs/image-repository";
import { SecretContainer } from "../constructs/secret-container";
import { EnvironmentStack } from "./environment-stack";

export interface SecretReference {
  readonly name: string;
  readonly arn: string;
}

/** Only those that the connection and the destination need. */
export type FoundationSecrets = {
  readonly [secret in keyof Names["secrets"]]?: SecretReference;
};

/** An account and region of this environment, with what all in it share. */
interface Place {
  readonly account: Account;
  readonly key: EncryptionKey;
  readonly topic: AlertTopic;
  readonly provider?: TerraformProvider;
}

export class FoundationStack extends EnvironmentStack {
  /** Of the worker's account and region. */
  readonly kmsKeyArn: string;
  readonly alertTopicArn: string;
  readonly secrets: FoundationSecrets;
  readonly #names: Names;
  readonly #source: Place | undefined;
  readonly #repository: ImageRepository | undefined;

  constructor(scope: Construct, id: string, environment: Environment) {
    const { worker, source } = environment;
    const account = worker?.account ?? source.account;
    super(scope, id, { environment, account });
    this.#names = namesOf(environment.name);
    const home = this.#addPlace("", { account });
    this.#source = this.#addSource(home);
    this.kmsKeyArn = home.key.key.arn;
    this.alertTopicArn = home.topic.topic.arn;
    this.secrets = this.#addSecrets(home);
    if (worker) {
      this.#repository = new ImageRepository(this, "image-repository", {
        name: this.#names.repository,
        kmsKeyArn: this.kmsKeyArn,
      });
    }
    this.#addOutputs();
  }

  /** Of the source's account and region: the worker's when they are the same. */
  get sourceKmsKeyArn(): string {
    return made(this.#source, "key of the source's account").key.key.arn;
  }

  /** Of the source's account and region, as the key. */
  get sourceAlertTopicArn(): string {
    return made(this.#source, "topic of the source's account").topic.topic.arn;
  }

  /** Without a tag: `<account>.dkr.ecr.<region>.amazonaws.com/<name>`. */
  get repositoryUrl(): string {
    return made(this.#repository, "repository").repository.repositoryUrl;
  }

  get repositoryArn(): string {
    return made(this.#repository, "repository").repository.arn;
  }

  #addSource(home: Place): Place | undefined {
    const { source, connection } = this.environment;
    if (connection.mode !== "vpn" && !source.rds) return undefined;
    const { account } = source;
    if (
      account.id === home.account.id &&
      account.region === home.account.region
    )
      return home;
    const provider = this.addProvider("aws-source", account, "source");
    return this.#addPlace("source-", { account, provider });
  }

  #addPlace(
    prefix: "" | "source-",
    place: Pick<Place, "account" | "provider">,
  ): Place {
    const { name, destination, worker, alerts } = this.environment;
    const { account, provider } = place;
    const where = {
      accountId: account.id,
      region: account.region,
      ...(provider ? { provider } : {}),
    };
    const key = new EncryptionKey(this, `${prefix}key`, {
      ...where,
      alias: this.#names.prefix,
      description: `Everything of bemi-${name} that is encrypted`,
      logGroups: this.#names.logGroupPatterns,
      // The trail's final snapshot outlives the stacks, and is lost with the
      // key: whoever protects the one from deletion protects the other.
      preventDestroy:
        prefix === "" &&
        worker !== undefined &&
        destination.kind === "aurora" &&
        destination.deletionProtection,
    });
    const topic = new AlertTopic(this, `${prefix}alert-topic`, {
      ...where,
      name: `${this.#names.prefix}-alerts`,
      kmsKeyArn: key.key.arn,
      emails: alerts.emails,
    });
    return { ...place, key, topic };
  }

  #addSecrets(home: Place): FoundationSecrets {
    const { connection, destination, worker } = this.environment;
    const { secrets } = this.#names;
    const add = (
      id: string,
      name: string,
      { description, place }: { description: string; place: Place },
    ): SecretReference => {
      const { secret } = new SecretContainer(this, id, {
        name,
        description,
        accountId: place.account.id,
        kmsKeyArn: place.key.key.arn,
        ...(place.provider ? { provider: place.provider } : {}),
      });
      return { name, arn: secret.arn };
    };
    const isVpn = connection.mode === "vpn";
    return {
      ...(isVpn && {
        vpnNode: add("vpn-node-secret", secrets.vpnNode, {
          description: "WireGuard keys of the VPN node, from `npm run keys`",
          place: this.#source ?? home,
        }),
      }),
      ...(isVpn &&
        connection.server.kind === "own" && {
          vpnServer: add("vpn-server-secret", secrets.vpnServer, {
            description:
              "WireGuard keys of the VPN server, from `npm run keys`",
            place: home,
          }),
        }),
      ...(connection.mode === "ssh" && {
        ssh: add("ssh-secret", secrets.ssh, {
          description: "SSH keys for the jump host, from `npm run keys`",
          place: home,
        }),
      }),
      ...(worker && {
        source: add("source-secret", secrets.source, {
          description: "User and password of the worker at the source",
          place: home,
        }),
      }),
      ...(worker &&
        destination.kind === "existing" && {
          destination: add("destination-secret", secrets.destination, {
            description: "User and password of the worker at the destination",
            place: home,
          }),
        }),
    };
  }

  #addOutputs(): void {
    const output = (id: string, value: unknown, description: string) =>
      new TerraformOutput(this, id, { value, description, staticId: true });
    output("kms_key_arn", this.kmsKeyArn, "Key of the worker's account.");
    output(
      "alert_topic_arn",
      this.alertTopicArn,
      "Alarms of the worker's account go there.",
    );
    output(
      "secrets",
      this.secrets,
      "Names and ARNs of the secrets whose values are yet to be put there.",
    );
    if (this.#repository) {
      output(
        "repository_url",
        this.repositoryUrl,
        "Where `npm run image` pushes to.",
      );
    }
    if (this.#source) {
      output(
        "source_kms_key_arn",
        this.sourceKmsKeyArn,
        "Key of the source's account.",
      );
      output(
        "source_alert_topic_arn",
        this.sourceAlertTopicArn,
        "Alarms of the source's account go there.",
      );
    }
  }
}

function made<T>(thing: T | undefined, what: string): T {
  if (thing !== undefined) return thing;
  throw new Error(`this environment's mode has no ${what}: nothing needs it`);
}
