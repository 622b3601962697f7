import { readFileSync } from "node:fs";
import { workerVariables } from "../../config/worker-variables";
import {
  configurationPath,
  renderConfiguration,
} from "../../scripts/render-configuration";

const variables = Object.entries(workerVariables);

test("docs/configuration.md is what the table says", () => {
  const remedy = "npx tsx scripts/render-configuration.ts";
  const isStale =
    readFileSync(configurationPath, "utf8") !== renderConfiguration();
  expect(isStale ? `stale: run ${remedy}` : "fresh").toBe("fresh");
});

test("the document has every variable once, in a table", () => {
  const text = renderConfiguration();
  for (const [name] of variables) {
    expect(text.split(`\n| \`${name}\` |`)).toHaveLength(2);
  }
});

test.each(variables)("%s: its row makes sense", (name, variable) => {
  const { type, default: fallback, minimum = 0, maximum = 0 } = variable;
  if (type === "integer") {
    expect(maximum).toBeGreaterThan(minimum);
    if (fallback !== undefined) {
      expect(fallback).toBeGreaterThanOrEqual(minimum);
      expect(fallback).toBeLessThanOrEqual(maximum);
    }
  }
  if (type === "choice" && fallback !== undefined) {
    expect(variable.choices).toContain(fallback);
  }
  if (variable.required) expect(fallback).toBeUndefined();
  expect(variable.description).toMatch(/^[A-Z`].*\.$/);
  expect(variable.description).not.toContain("|");
  const soundsSecret = /(PASSWORD|PASSPHRASE|PRIVATE_KEY|SSLKEY)$/.test(name);
  expect(variable.secret).toBe(soundsSecret);
});
