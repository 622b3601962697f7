/** The repository of the worker's image in ECR, made by the foundation stack. */
import {
  DescribeImagesCommand,
  ECRClient,
  GetAuthorizationTokenCommand,
} from "@aws-sdk/client-ecr";
import type { Account } from "../../config/environment";
import { namesOf } from "../../config/names";
import { clientSettings, placeOf } from "../aws";
import { awsFailure } from "../aws-failure";
import { Failure } from "../command-line";
import type { RegistryLogin } from "./docker";

export class ImageRepository {
  readonly #client: ECRClient;
  readonly #name: string;

  constructor(
    readonly account: Account,
    readonly environment: string,
  ) {
    this.#client = new ECRClient(clientSettings(account));
    this.#name = namesOf(environment).repository;
  }

  /** @returns undefined when no image has that tag */
  async digestOf(tag: string): Promise<string | undefined> {
    try {
      const { imageDetails } = await this.#client.send(
        new DescribeImagesCommand({
          // Credentials of another account are refused and do not look elsewhere.
          registryId: this.account.id,
          repositoryName: this.#name,
          imageIds: [{ imageTag: tag }],
        }),
      );
      return imageDetails?.[0]?.imageDigest;
    } catch (error) {
      if (error instanceof Error && error.name === "ImageNotFoundException") {
        return undefined;
      }
      throw this.#failure(error, "look at");
    }
  }

  /** For twelve hours, and for the registry of the whole account. */
  async login(): Promise<RegistryLogin> {
    try {
      const { authorizationData } = await this.#client.send(
        new GetAuthorizationTokenCommand({}),
      );
      const [data] = authorizationData ?? [];
      const text = Buffer.from(
        data?.authorizationToken ?? "",
        "base64",
      ).toString();
      const [user = "", ...password] = text.split(":");
      const registry = (data?.proxyEndpoint ?? "").replace("https://", "");
      this.#requireOwn(registry);
      return { registry, user, password: password.join(":") };
    } catch (error) {
      throw this.#failure(error, "sign in to the registry of");
    }
  }

  reference(registry: string, tag: string): string {
    return `${registry}/${this.#name}:${tag}`;
  }

  #requireOwn(registry: string): void {
    if (registry.startsWith(`${this.account.id}.`)) return;
    throw new Failure(
      `the AWS credentials are for the registry ${registry || "of nobody"}, but the environment's worker is in account ${this.account.id}: set AWS_PROFILE to a profile of that account, or give worker.account a roleArn; nothing was pushed`,
    );
  }

  #failure(error: unknown, verb: string): Failure {
    const { foundation } = namesOf(this.environment).stacks;
    return awsFailure(error, {
      doing: `${verb} the repository ${this.#name} in ${placeOf(this.account)}`,
      meanings: {
        RepositoryNotFoundException: `it is not there; deploy the foundation first (npx cdktf deploy ${foundation})`,
        AccessDeniedException:
          "it is not allowed to you; allow ecr:GetAuthorizationToken on *, and ecr:DescribeImages and pushing on the repository, to the role that runs this, and see that it is of the same account",
      },
    });
  }
}
