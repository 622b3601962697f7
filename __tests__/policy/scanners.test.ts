import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exceptions } from "./exceptions";

const root = join(__dirname, "../..");

/** Exceptions whose id begins so, as `id: reason`. */
function expected(prefix: string): string[] {
  return exceptions.flatMap(({ ids, reason }) =>
    ids.filter((id) => id.startsWith(prefix)).map((id) => `${id}: ${reason}`),
  );
}

test(".checkov.yaml has the exceptions of checkov, with their reasons", () => {
  const text = readFileSync(join(root, ".checkov.yaml"), "utf8");
  const skipped = [...text.matchAll(/^ {2}# (.*)\n {2}- (CKV\w+)$/gm)];
  expect(text.match(/CKV/g)).toHaveLength(skipped.length);
  expect(skipped.map(([, reason, id]) => `${id}: ${reason}`).sort()).toEqual(
    expected("CKV").sort(),
  );
});

test(".trivyignore.yaml has the exceptions of trivy, with their reasons", () => {
  const text = readFileSync(join(root, ".trivyignore.yaml"), "utf8");
  const ignored = [
    ...text.matchAll(/^ {2}- id: (AWS-\d+)\n {4}statement: (.*)$/gm),
  ];
  expect(text.match(/AWS-\d/g)).toHaveLength(ignored.length);
  expect(ignored.map(([, id, reason]) => `${id}: ${reason}`).sort()).toEqual(
    expected("AWS-").sort(),
  );
});

test.each(exceptions)("$ids: its reason is a sentence", ({ reason }) => {
  expect(reason).toMatch(/^[A-Z].{40,}\.$/);
});
