import { differences, withCdktn } from "../../scripts/cdktn/comparison";

test("imports are renamed, and nothing that only looks like one", () => {
  const source = [
    'import { App } from "cdktf";',
    'import { Vpc } from "@cdktf/provider-aws/lib/vpc";',
    "// cdktf deploys it",
  ].join("\n");
  expect(withCdktn(source)).toBe(
    [
      'import { App } from "cdktn";',
      'import { Vpc } from "@cdktn/provider-aws/lib/vpc";',
      "// cdktf deploys it",
    ].join("\n"),
  );
});

function stacks(version: string, port: number): Map<string, unknown> {
  return new Map([
    [
      "shop-worker",
      {
        "//": { metadata: { version } },
        terraform: {
          required_providers: { aws: { source: version, version } },
        },
        resource: { aws_vpc: { a: { port, tags: ["x"] } } },
      },
    ],
  ]);
}

test("versions are no difference", () => {
  expect(differences(stacks("0.21", 1), stacks("0.24", 1))).toEqual([]);
});

test("anything else is one, with its place", () => {
  expect(differences(stacks("0.21", 1), stacks("0.24", 2))).toEqual([
    ".shop-worker.resource.aws_vpc.a.port: 1 is 2",
  ]);
});

test("a stack that is missing is a difference", () => {
  expect(differences(stacks("0.21", 1), new Map())).toHaveLength(1);
  expect(differences(new Map(), stacks("0.24", 1))).toHaveLength(1);
});
