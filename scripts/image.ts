/**
 * `npm run image -- <env>`: builds the worker's image and pushes it to the
 * environment's repository, unless the same content is there already, and
 * records its digest in the environment's file.
 */
import { join } from "node:path";
import { environmentCommand, runCommand } from "./command-line";
import { EnvironmentFile } from "./environment-file";
import { ensureImage } from "./image/environment-image";
import { renderImageReport } from "./image/image-report";

const root = join(__dirname, "..");

const command = environmentCommand(
  "image",
  "Builds and pushes the image of an environment's worker, after its foundation is deployed, unless an image with the same content is there. Records the digest in environments/<env>.json. Needs Docker with buildx.",
);

runCommand(async () => {
  command.parse();
  const [name = ""] = command.args;
  const file = EnvironmentFile.of(name);
  const result = await ensureImage(file, { root });
  console.log(renderImageReport(result, file));
});
