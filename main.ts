/** The stacks of every environment in `environments/`. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import util from "node:util";
import { App } from "cdktf";
import type { Environment } from "./config/environment";
import {
  EnvironmentsError,
  isEnvironmentFile,
  readEnvironments,
} from "./config/read-environments";
import { addStacks } from "./stacks/stacks";

// cdktf 0.21 asks util.isArray, of which newer versions of Node.js warn: the
// first line of each deployment would be an error.
Object.assign(util, { isArray: Array.isArray });

/** The same as of every command for a wrong configuration. */
const wrongConfiguration = 2;

const environments = read(join(__dirname, "environments"));
if (environments) {
  const app = new App();
  for (const environment of environments) addStacks(app, environment);
  app.synth();
} else {
  // Nothing is synthesized, so nothing gets to Terraform.
  process.exitCode = wrongConfiguration;
}

function read(folder: string): Environment[] | undefined {
  const files = readdirSync(folder).filter(isEnvironmentFile).sort();
  try {
    return readEnvironments(
      files.map((name) => ({
        file: relative(__dirname, join(folder, name)),
        text: readFileSync(join(folder, name), "utf8"),
      })),
    );
  } catch (error) {
    if (!(error instanceof EnvironmentsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return undefined;
  }
}
