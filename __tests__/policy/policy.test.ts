import {
  changedEnvironment,
  environmentNames,
  environmentOf,
} from "../support/environments";
import { templatesOf } from "../support/templates";
import { computeRules } from "./compute-rules";
import { dataRules } from "./data-rules";
import { type Exception, exceptions } from "./exceptions";
import { iamRules } from "./iam-rules";
import { networkRules } from "./network-rules";
import { type Rule, type Violation, violationsIn } from "./rule";

const rules = [...computeRules, ...networkRules, ...dataRules, ...iamRules];

const found = environmentNames.map((name) => {
  const violations = Object.entries(templatesOf(environmentOf(name))).flatMap(
    ([stack, template]) => violationsIn(stack, template, rules),
  );
  return { name, violations };
});

function isExcepted({ ids, where }: Violation, exception: Exception): boolean {
  return (
    exception.ids.some((id) => ids.includes(id)) && exception.where.test(where)
  );
}

test.each(found)("$name obeys every rule", ({ violations }) => {
  const unexcused = violations.filter(
    (violation) => !exceptions.some((one) => isExcepted(violation, one)),
  );
  expect(unexcused).toEqual([]);
});

test.each(exceptions)("$ids is an exception of something", (exception) => {
  const all = found.flatMap(({ violations }) => violations);
  expect(all.some((one) => isExcepted(one, exception))).toBe(true);
});

test.each(rules)("$ids is broken by what breaks it: $says", (rule: Rule) => {
  const [type = ""] = rule.types;
  const resource = { "//": { metadata: { path: "stack/it" } } };
  const template = {
    resource: { [type]: { it: { ...resource, ...rule.counterexample } } },
    provider: { aws: [] },
  };
  expect(violationsIn("stack", template, [rule])).toEqual([
    { ids: rule.ids, says: rule.says, where: `stack ${type} it` },
  ]);
});

test("each rule is about something that is there", () => {
  const present = new Set(
    environmentNames.flatMap((name) =>
      Object.values(templatesOf(environmentOf(name))).flatMap(({ resource }) =>
        Object.keys(resource ?? {}),
      ),
    ),
  );
  const idle = rules.filter(
    ({ types }) => !types.some((type) => present.has(type)),
  );
  expect(idle.map(({ says, types }) => `${types}: ${says}`)).toEqual([]);
});

test("shorter logs and no protection are the deployer's to choose, and seen", () => {
  const relaxed = changedEnvironment("direct", (file) => {
    if (file.worker) file.worker.logRetentionDays = 30;
    file.destination = { kind: "aurora", deletionProtection: false };
  });
  const broken = Object.entries(templatesOf(relaxed)).flatMap(
    ([stack, template]) => violationsIn(stack, template, rules),
  );
  const ids = broken.flatMap((violation) => violation.ids);
  expect(ids).toEqual(expect.arrayContaining(["CKV_AWS_338", "CKV_AWS_139"]));
});
