/** Which stacks an environment has, and what one has of another. */
import type { App } from "cdktf";
import type { Environment } from "../config/environment";
import { namesOf } from "../config/names";
import { FoundationStack } from "./foundation-stack";

export function addStacks(app: App, environment: Environment): void {
  const names = namesOf(environment.name);
  new FoundationStack(app, names.stacks.foundation, environment);
}
