/** What Terraform gets of an environment: every stack's synthesized JSON. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { type App, TerraformStack, Testing } from "cdktf";
import type { Environment } from "../../config/environment";
import { addStacks } from "../../stacks/stacks";

/** Arguments of a resource, a data source or an output, as Terraform has them. */
export type Block = { readonly [argument: string]: unknown };

export interface Template {
  /** By type and then by name. */
  readonly resource?: Readonly<Record<string, Readonly<Record<string, Block>>>>;
  readonly data?: Readonly<Record<string, Readonly<Record<string, Block>>>>;
  readonly output?: Readonly<Record<string, Block>>;
  readonly provider: { readonly aws: readonly Block[] };
}

/** By the stack's name without the environment's, as in `foundation`. */
export type Templates = Readonly<Record<string, Template>>;

/** All stacks of the environment; what they refer to of each other as well. */
export function templatesOf(environment: Environment): Templates {
  const app = Testing.app();
  addStacks(app, environment);
  return synthesize(app, `${environment.name}-`);
}

/** Of a stack that holds nothing but what is being tested. */
export function templateOf(build: (stack: TerraformStack) => void): Template {
  const app = Testing.app();
  const only = new TerraformStack(app, "stack");
  new AwsProvider(only, "aws", { region: "us-west-1" });
  build(only);
  const { stack } = synthesize(app);
  if (!stack) throw new Error("nothing was synthesized");
  return stack;
}

export function synthesize(app: App, prefix = ""): Templates {
  app.synth();
  return Object.fromEntries(
    Object.keys(app.manifest.stacks).map((name) => [
      name.startsWith(prefix) ? name.slice(prefix.length) : name,
      JSON.parse(
        readFileSync(join(app.outdir, "stacks", name, "cdk.tf.json"), "utf8"),
      ) as Template,
    ]),
  );
}

/** Of one type, by name; empty when there is none. */
export function resourcesOf(
  template: Template | undefined,
  type: string,
): Readonly<Record<string, Block>> {
  return template?.resource?.[type] ?? {};
}

/** Of a type that there is exactly one of. */
export function onlyResource(
  template: Template | undefined,
  type: string,
): Block {
  const all = Object.values(resourcesOf(template, type));
  if (all.length !== 1 || !all[0]) {
    throw new Error(`${all.length} resources of the type ${type}`);
  }
  return all[0];
}
