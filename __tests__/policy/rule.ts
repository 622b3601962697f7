/**
 * What a rule of the policy is: one sentence that static scanners check too,
 * here on the synthesized JSON of every environment, without any scanner.
 */
import type { Block, Template } from "../support/templates";

export interface Rule {
  /** Of checkov (CKV…), trivy (AWS-…) and cdk-nag. */
  readonly ids: readonly string[];
  /** What holds, in words. */
  readonly says: string;
  /** Terraform's types of the resources that it is about. */
  readonly types: readonly string[];
  readonly holds: (resource: Block, place: Place) => boolean;
  /** A resource of which it does not hold: a rule that cannot fail is none. */
  readonly counterexample: Block;
}

/** Where a resource is. */
export interface Place {
  readonly type: string;
  readonly name: string;
  /** Its stack's. */
  readonly template: Template;
}

export interface Violation {
  readonly ids: readonly string[];
  readonly says: string;
  /** `stack type.path-within-the-stack`. */
  readonly where: string;
}

export function violationsIn(
  stack: string,
  template: Template,
  rules: readonly Rule[],
): Violation[] {
  return resourcesIn(template).flatMap(({ type, name, resource }) =>
    rules
      .filter(({ types }) => types.includes(type))
      .filter(({ holds }) => !holds(resource, { type, name, template }))
      .map(({ ids, says }) => ({
        ids,
        says,
        where: `${stack} ${type} ${pathOf(resource)}`,
      })),
  );
}

export function resourcesIn(
  template: Template,
): { type: string; name: string; resource: Block }[] {
  return Object.entries(template.resource ?? {}).flatMap(([type, all]) =>
    Object.entries(all).map(([name, resource]) => ({ type, name, resource })),
  );
}

/** Of its construct, without the stack. */
function pathOf(resource: Block): string {
  const path = String(at(resource, "//.metadata.path"));
  return path.slice(path.indexOf("/") + 1);
}

/** A value by its path; a block that is given once may be a list of one. */
export function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((place, key) => {
    const [only] = Array.isArray(place) ? place : [place];
    return typeof only === "object" && only !== null
      ? (only as Record<string, unknown>)[key]
      : undefined;
  }, value);
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path);
  if (found === undefined) return [];
  return Array.isArray(found) ? found : [found];
}

/** Whether any resource of the type in the stack is so. */
export function some(
  { template }: Place,
  type: string,
  is: (resource: Block) => boolean,
): boolean {
  return Object.values(template.resource?.[type] ?? {}).some(is);
}

/** Whether the text refers to that resource. */
export function refersTo(value: unknown, { type, name }: Place): boolean {
  return JSON.stringify(value ?? "").includes(`\${${type}.${name}.`);
}
