/**
 * Secrets Manager in memory, behind the SDK's client: versions, their stages,
 * and what it refuses.
 */
import { randomUUID } from "node:crypto";
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  type PutSecretValueCommandInput,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { mockClient } from "aws-sdk-client-mock";

export class AwsError extends Error {
  constructor(
    override readonly name: string,
    message = `${name} of the service`,
  ) {
    super(message);
  }
}

interface Versions {
  /** Of every version by its id. */
  readonly texts: Map<string, string>;
  current?: string;
  previous?: string;
  deletedAt?: Date;
}

export class FakeSecrets {
  readonly mock = mockClient(SecretsManagerClient);
  /** Whose credentials they are. */
  readonly sts = mockClient(STSClient);
  readonly #secrets = new Map<string, Versions>();

  constructor(public accountId = "111111111111") {
    const { mock, sts } = this;
    sts.on(GetCallerIdentityCommand).callsFake(() => ({
      Account: this.accountId,
    }));
    mock.on(DescribeSecretCommand).callsFake(({ SecretId }) => {
      const { texts, current, previous, deletedAt } = this.#of(SecretId);
      return {
        ARN: `arn:aws:secretsmanager:us-west-1:${this.accountId}:secret:${SecretId}-AbCdEf`,
        ...(deletedAt ? { DeletedDate: deletedAt } : {}),
        ...(texts.size > 0
          ? {
              VersionIdsToStages: {
                ...(current ? { [current]: ["AWSCURRENT"] } : {}),
                ...(previous ? { [previous]: ["AWSPREVIOUS"] } : {}),
              },
            }
          : {}),
      };
    });
    mock.on(GetSecretValueCommand).callsFake(({ SecretId, VersionId }) => ({
      SecretString: this.#of(SecretId).texts.get(VersionId),
    }));
    mock
      .on(PutSecretValueCommand)
      .callsFake((input: PutSecretValueCommandInput) => this.#put(input));
    mock.on(UpdateSecretVersionStageCommand).callsFake((input) => {
      const secret = this.#of(input.SecretId);
      if (secret.current !== input.RemoveFromVersionId)
        throw new AwsError("InvalidParameterException");
      if (secret.current) secret.previous = secret.current;
      secret.current = input.MoveToVersionId;
      return {};
    });
  }

  /** A container, as the foundation makes it. */
  add(...names: string[]): void {
    for (const name of names) this.#secrets.set(name, { texts: new Map() });
  }

  /** A new current version that somebody else has written. */
  set(name: string, text: string): void {
    this.#put({
      SecretId: name,
      SecretString: text,
      ClientRequestToken: randomUUID(),
    });
  }

  scheduleDeletion(name: string): void {
    this.#of(name).deletedAt = new Date("2026-11-20T12:00:00Z");
  }

  current(name: string): string | undefined {
    const { texts, current = "" } = this.#of(name);
    return texts.get(current);
  }

  previous(name: string): string | undefined {
    const { texts, previous = "" } = this.#of(name);
    return texts.get(previous);
  }

  restore(): void {
    this.mock.restore();
    this.sts.restore();
  }

  /** Every value that any secret ever had. */
  get allTexts(): string[] {
    return [...this.#secrets.values()].flatMap(({ texts }) => [
      ...texts.values(),
    ]);
  }

  get writes(): number {
    return (
      this.mock.commandCalls(PutSecretValueCommand).length +
      this.mock.commandCalls(UpdateSecretVersionStageCommand).length
    );
  }

  #of(name: string | undefined): Versions {
    const secret = this.#secrets.get(name ?? "");
    if (!secret) throw new AwsError("ResourceNotFoundException");
    return secret;
  }

  #put(input: PutSecretValueCommandInput) {
    const secret = this.#of(input.SecretId);
    const { ClientRequestToken: id = "", SecretString: text = "" } = input;
    const before = secret.texts.get(id);
    if (before !== undefined && before !== text)
      throw new AwsError("ResourceExistsException");
    secret.texts.set(id, text);
    if (secret.current) secret.previous = secret.current;
    secret.current = id;
    return { VersionId: id };
  }
}
