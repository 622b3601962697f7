/**
 * Writes environments/environment.schema.json, by which an editor completes
 * and explains an environment file, from the schema that it is read by:
 * `npx tsx scripts/render-environment-schema.ts`. A test fails when it is stale.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { environmentSchema } from "../config/environment";
import { DERIVED_VARIABLES } from "../config/settings-rules";
import { workerVariables } from "../config/worker-variables";

export const schemaPath = join(
  __dirname,
  "../environments/environment.schema.json",
);

/** The whole document; draft 7 is what editors know best. */
export function renderEnvironmentSchema(): string {
  const schema = z.toJSONSchema(environmentSchema, {
    io: "input",
    target: "draft-7",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === settings) Object.assign(jsonSchema, settingsSchema());
    },
  });
  return `${JSON.stringify({ title: "Environment", ...schema }, null, 2)}\n`;
}

const settings = environmentSchema.shape.worker
  .unwrap()
  .shape.settings.unwrap();

/** The variables that may be given, each with what it is. */
function settingsSchema(): object {
  const properties = Object.entries(workerVariables)
    .filter(
      ([name, { secret, type }]) =>
        !secret && type !== "file" && !DERIVED_VARIABLES.has(name),
    )
    .map(([name, { description, type, choices }]) => [
      name,
      {
        type: "string",
        description: description.replaceAll("`", ""),
        ...(type === "integer" ? { pattern: "^\\d{1,15}$" } : {}),
        ...(choices ? { enum: choices } : {}),
      },
    ]);
  return {
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

if (require.main === module) {
  writeFileSync(schemaPath, renderEnvironmentSchema());
  console.log(`wrote ${schemaPath}`);
}
