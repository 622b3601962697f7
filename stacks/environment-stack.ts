/** What every stack has: a provider for one account, its state, its tags. */
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { S3Backend, TerraformStack } from "cdktf";
import type { Construct } from "constructs";
import type { Account, Environment } from "../config/environment";

export class EnvironmentStack extends TerraformStack {
  readonly environment: Environment;
  readonly provider: AwsProvider;

  constructor(
    scope: Construct,
    id: string,
    { environment, account }: { environment: Environment; account: Account },
  ) {
    super(scope, id);
    this.environment = environment;
    this.provider = this.addProvider("aws", account);
    this.#keepState(id);
  }

  /** Another account or region, for single resources. */
  addProvider(id: string, account: Account, alias?: string): AwsProvider {
    const { environment } = this;
    return new AwsProvider(this, id, {
      region: account.region,
      // Whoever deploys with the wrong credentials changes nothing.
      allowedAccountIds: [account.id],
      ...(account.roleArn
        ? {
            assumeRole: [
              {
                roleArn: account.roleArn,
                sessionName: `bemi-${environment.name}`,
                ...(account.externalId
                  ? { externalId: account.externalId }
                  : {}),
              },
            ],
          }
        : {}),
      defaultTags: [
        {
          tags: {
            "bemi:environment": environment.name,
            "bemi:stack": this.node.id,
            ...environment.tags,
          },
        },
      ],
      ...(alias ? { alias } : {}),
    });
  }

  /** Without a bucket it stays where CDKTF puts it: in files beside the kit. */
  #keepState(id: string): void {
    const { state, name } = this.environment;
    if (!state) return;
    const backend = new S3Backend(this, {
      bucket: state.bucket,
      key: `bemi/${name}/${id}.tfstate`,
      region: state.region,
      encrypt: true,
      ...(state.kmsKeyArn ? { kmsKeyId: state.kmsKeyArn } : {}),
      ...(state.roleArn ? { assumeRole: { roleArn: state.roleArn } } : {}),
    });
    // Terraform 1.10 and later lock by a file in the bucket; the binding does
    // not know the argument.
    backend.addOverride("use_lockfile", true);
  }
}
