import type { Environment } from "../../config/environment";
import {
  type EnvironmentName,
  environmentNames,
  environmentOf,
  publicKeys,
} from "../support/environments";
import { type Template, templatesOf } from "../support/templates";
import { containersOf } from "./compute-rules";
import { at, resourcesIn } from "./rule";

const stacks = environmentNames.flatMap((name) =>
  Object.entries(templatesOf(environmentOf(name))).map(
    ([stack, template]): [EnvironmentName, string, Template] => [
      name,
      stack,
      template,
    ],
  ),
);

/** Every text in it with its path. */
function textsIn(value: unknown, path = ""): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    textsIn(part, `${path}.${key}`),
  );
}

test.each(stacks)("%s %s has no secret in it", (_name, _stack, template) => {
  const known = new Set<string>(Object.values(publicKeys));
  for (const [path, text] of textsIn(template)) {
    expect([path, text]).not.toEqual([
      path,
      expect.stringMatching(
        /PRIVATE KEY|AKIA[0-9A-Z]{16}|\bpostgres(ql)?:\/\/[^/]*:/,
      ),
    ]);
    const keys = text.match(/(?<![\w+/])[A-Za-z0-9+/]{43}=(?![\w=])/g) ?? [];
    expect(keys.filter((key) => !known.has(key))).toEqual([]);
  }
});

test.each(stacks)(
  "%s %s refers to no secret value",
  (_name, _stack, template) => {
    const references = textsIn(template).flatMap(
      ([, text]) => text.match(/\$\{[^}]*\}/g) ?? [],
    );
    const secret =
      /\.(secret_string|secret_binary|master_password|password|private_key\w*|plaintext|auth_token)\b/;
    expect(references.filter((text) => secret.test(text))).toEqual([]);
  },
);

test.each(stacks)(
  "%s %s keeps no secret in the state",
  (_name, _stack, template) => {
    const keepers =
      /^(aws_secretsmanager_secret_version|aws_ssm_parameter|aws_iam_access_key|tls_.*|random_.*)$/;
    const data =
      /^aws_(secretsmanager_secret_version|secretsmanager_random_password|ssm_parameters_by_path)$/;
    expect(
      Object.keys(template.resource ?? {}).filter((type) => keepers.test(type)),
    ).toEqual([]);
    expect(
      Object.keys(template.data ?? {}).filter((type) => data.test(type)),
    ).toEqual([]);
  },
);

test.each(stacks)(
  "%s %s says the same at every deployment",
  (_name, _stack, template) => {
    const moving = textsIn(template).filter(([, text]) =>
      /\b(timestamp|plantimestamp|uuid|bcrypt)\(/.test(text),
    );
    expect(moving).toEqual([]);
    const types = Object.keys({ ...template.resource, ...template.data });
    expect(
      types.filter((type) =>
        /^(time|random|null)_|^terraform_data$/.test(type),
      ),
    ).toEqual([]);
  },
);

/**
 * Terraform replaces `${…}` and `%{…}` wherever they stand, a shell's own among
 * them. Left are references that CDKTF has put there.
 */
const REFERENCE = /^\$\{(data\.)?(aws|terraform)_[\w.[\]"*-]+\}$/;

function trapsIn(text: string): string[] {
  return (text.match(/\$\{[^}]*\}?|%\{[^}]*\}?/g) ?? []).filter(
    (part) => !REFERENCE.test(part),
  );
}

test("a trap is told from a reference", () => {
  const shell = ["$", "{HOME}"].join("");
  const reference = ["$", "{data.terraform_remote_state.a-b.outputs.c}"].join(
    "",
  );
  expect(trapsIn(`${shell} ${reference} %{ if x }`)).toEqual([
    shell,
    "%{ if x }",
  ]);
});

test.each(stacks)(
  "%s %s has no trap for Terraform in it",
  (_name, _stack, template) => {
    const texts = resourcesIn(template).flatMap(({ type, resource }) => {
      if (type === "aws_instance")
        return [String(at(resource, "user_data") ?? "")];
      if (type !== "aws_ecs_task_definition") return [];
      return textsIn(containersOf(resource)).map(([, text]) => text);
    });
    const outputs = textsIn(template.output ?? {}).map(([, text]) => text);
    expect([...texts, ...outputs].flatMap(trapsIn)).toEqual([]);
  },
);

test.each(environmentNames)("%s has user_data that AWS takes", (name) => {
  for (const template of Object.values(templatesOf(environmentOf(name)))) {
    for (const { resource } of resourcesIn(template)) {
      const size = Buffer.byteLength(String(at(resource, "user_data") ?? ""));
      expect(size).toBeLessThan(16_384);
    }
  }
});

test.each(stacks)(
  "%s %s is deployed to its own account alone",
  (name, _stack, template) => {
    const environment: Environment = environmentOf(name);
    const { source, worker } = environment;
    const known = [source.account.id, worker?.account.id];
    for (const provider of template.provider.aws) {
      const ids = at(provider, "allowed_account_ids") as readonly string[];
      expect(ids).toHaveLength(1);
      expect(known).toContain(ids[0]);
      expect(at(provider, "default_tags.tags")).toMatchObject({
        "bemi:environment": name,
      });
    }
  },
);
