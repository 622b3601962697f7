/** Which stacks an environment has, and what one has of another. */
import type { App } from "cdktf";
import type { Environment } from "../config/environment";
import { namesOf } from "../config/names";
import { EnvironmentStack } from "./environment-stack";

export function addStacks(app: App, environment: Environment): void {
  const names = namesOf(environment.name);
  const { worker, source } = environment;
  const home = worker?.account ?? source.account;
  new EnvironmentStack(app, names.stacks.foundation, {
    environment,
    account: home,
  });
}
