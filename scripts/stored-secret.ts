/**
 * A secret of an environment in Secrets Manager. The foundation stack makes the
 * container; what is in it is written here and nowhere else.
 */
import { createHash } from "node:crypto";
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import type { Account } from "../config/environment";
import { namesOf } from "../config/names";
import { clientSettings, placeOf, requireAccount } from "./aws";
import { awsFailure } from "./aws-failure";
import { Failure } from "./command-line";

/** Which versions there are; a container that is new has none. */
export interface SecretVersions {
  readonly current?: string;
  readonly previous?: string;
}

export class StoredSecret {
  readonly #client: SecretsManagerClient;
  readonly #place: string;

  constructor(
    readonly name: string,
    readonly where: { readonly account: Account; readonly environment: string },
  ) {
    this.#client = new SecretsManagerClient(clientSettings(where.account));
    this.#place = placeOf(where.account);
  }

  /** @throws Failure when the container is not there, or not usable */
  async versions(): Promise<SecretVersions> {
    await requireAccount(this.where.account);
    const { DeletedDate, VersionIdsToStages } = await this.#attempt(
      "look at",
      () =>
        this.#client.send(new DescribeSecretCommand({ SecretId: this.name })),
    );
    if (DeletedDate) {
      throw new Failure(
        `the secret ${this.name} in ${this.#place} is scheduled for deletion since ${DeletedDate.toISOString()}: take it back with aws secretsmanager restore-secret --region ${this.where.account.region} --secret-id ${this.name}, then run the same command again`,
      );
    }
    const staged = (stage: string) =>
      Object.entries(VersionIdsToStages ?? {}).find(([, stages]) =>
        stages.includes(stage),
      )?.[0];
    const [current, previous] = [staged("AWSCURRENT"), staged("AWSPREVIOUS")];
    return {
      ...(current ? { current } : {}),
      ...(previous ? { previous } : {}),
    };
  }

  /** The text of one version. */
  async read(versionId: string): Promise<string> {
    const { SecretString = "" } = await this.#attempt("read", () =>
      this.#client.send(
        new GetSecretValueCommand({
          SecretId: this.name,
          VersionId: versionId,
        }),
      ),
    );
    return SecretString;
  }

  /**
   * Makes a text the current version; the current one becomes the previous one.
   * @param versions - as they were when it was decided: if somebody has written
   *   meanwhile, nothing is
   */
  async write(text: string, versions: SecretVersions): Promise<void> {
    await this.#attempt("write", () =>
      this.#client.send(
        new PutSecretValueCommand({
          SecretId: this.name,
          SecretString: text,
          ClientRequestToken: this.#tokenAfter(versions),
        }),
      ),
    );
  }

  /** Makes the previous version the current one, and the other way round. */
  async swap({ current, previous }: Required<SecretVersions>): Promise<void> {
    await this.#attempt("write", () =>
      this.#client.send(
        new UpdateSecretVersionStageCommand({
          SecretId: this.name,
          VersionStage: "AWSCURRENT",
          MoveToVersionId: previous,
          RemoveFromVersionId: current,
        }),
      ),
    );
  }

  /**
   * The new version's id. Made from those before it, it is the same for two
   * who write at the same moment, and Secrets Manager refuses the second.
   */
  #tokenAfter({ current = "", previous = "" }: SecretVersions): string {
    return createHash("sha256")
      .update(JSON.stringify([this.name, current, previous]))
      .digest("hex");
  }

  async #attempt<T>(verb: string, call: () => Promise<T>): Promise<T> {
    const { environment } = this.where;
    try {
      return await call();
    } catch (error) {
      throw awsFailure(error, {
        doing: `${verb} the secret ${this.name} in ${this.#place}`,
        secretSent: verb === "write",
        meanings: {
          ResourceNotFoundException: `it is not there; deploy the foundation first (npx cdktf deploy ${namesOf(environment).stacks.foundation})`,
          AccessDeniedException:
            "it is not allowed to you; allow secretsmanager:DescribeSecret, GetSecretValue, PutSecretValue and UpdateSecretVersionStage on it, and its KMS key, to the role that runs this",
          ResourceExistsException: WRITTEN_MEANWHILE,
          InvalidParameterException: WRITTEN_MEANWHILE,
          InvalidRequestException:
            "it is not in a state for that (scheduled for deletion?); look at it in the console",
        },
      });
    }
  }
}

const WRITTEN_MEANWHILE =
  "somebody else wrote it at the same moment; nothing was changed here: run the same command again";
