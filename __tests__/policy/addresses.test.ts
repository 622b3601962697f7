import { environmentNames, environmentOf } from "../support/environments";
import { templatesOf } from "../support/templates";
import { resourcesIn } from "./rule";

/**
 * Resources of all environments, by stack. A renamed one is destroyed and made
 * again, with a database's contents, a tunnel's address or a queue of alarms in
 * it: whoever changes this list says in docs/deploy.md how to move the state.
 */
test("every resource keeps its address", () => {
  const addresses = new Map<string, Set<string>>();
  for (const name of environmentNames) {
    for (const [stack, template] of Object.entries(
      templatesOf(environmentOf(name)),
    )) {
      const known = addresses.get(stack) ?? new Set<string>();
      for (const { type, name } of resourcesIn(template)) {
        known.add(`${type}.${name}`);
      }
      addresses.set(stack, known);
    }
  }
  const sorted = [...addresses].map(([stack, all]) => [stack, [...all].sort()]);
  expect(Object.fromEntries(sorted.sort())).toMatchSnapshot();
});

test("no address has an environment's name in it", () => {
  const templates = templatesOf(environmentOf("vpn-options"));
  const names = Object.values(templates).flatMap((template) =>
    resourcesIn(template).map(({ name }) => name),
  );
  expect(names.filter((name) => name.includes("vpn-options"))).toEqual([]);
});

test("outputs are named as docs/deploy.md says", () => {
  const templates = templatesOf(environmentOf("vpn-nat"));
  const outputs = Object.fromEntries(
    Object.entries(templates).map(([stack, { output = {} }]) => [
      stack,
      Object.keys(output)
        .filter((name) => !name.startsWith("cross-stack-output"))
        .sort(),
    ]),
  );
  expect(outputs).toMatchSnapshot();
});
