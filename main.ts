/** The stacks of every environment in `environments/`. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { EnvironmentError, readEnvironment } from "./config/read-environment";
import { addStacks } from "./stacks/stacks";

const folder = join(__dirname, "environments");
const app = new App();
try {
  for (const file of readdirSync(folder)) {
    if (!file.endsWith(".json") || file.endsWith(".schema.json")) continue;
    const path = join(folder, file);
    addStacks(app, readEnvironment(path, readFileSync(path, "utf8")));
  }
} catch (error) {
  if (!(error instanceof EnvironmentError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
app.synth();
