import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readEnvironment } from "../../config/read-environment";
import { environmentFile, environmentOf } from "../support/environments";
import { templatesOf } from "../support/templates";

const root = join(__dirname, "../..");
const pages = [
  "README.md",
  "docs/architecture.md",
  "docs/configuration.md",
  "docs/decisions.md",
  "docs/deploy.md",
  "docs/operations.md",
  "docs/performance.md",
  "mikro-orm/README.md",
  "mikro-orm/example/README.md",
].map((name): [string, string] => [
  name,
  readFileSync(join(root, name), "utf8"),
]);
const deploy = readFileSync(join(root, "docs/deploy.md"), "utf8");

test.each(pages)("%s names npm scripts that there are", (_name, text) => {
  const { scripts } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  ) as { scripts: Record<string, string> };
  const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name);
  expect(named.filter((name) => !name || !(name in scripts))).toEqual([]);
});

test.each(pages)(
  "%s links to pages and headings that there are",
  (name, text) => {
    for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path = "", heading] = target.split("#");
      const file = path ? join(root, dirname(name), path) : join(root, name);
      expect([target, existsSync(file)]).toEqual([target, true]);
      if (!heading) continue;
      const anchors = [
        ...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm),
      ].map(([, title = ""]) =>
        title
          .toLowerCase()
          .replace(/[^\w\s-]/g, "")
          .replaceAll(" ", "-"),
      );
      expect(anchors).toContain(heading);
    }
  },
);

test("the outputs that it names are there", () => {
  const environments = ["vpn-nat", "ssh", "vpn-foreign"] as const;
  const outputs = new Set(
    environments.flatMap((name) =>
      Object.values(templatesOf(environmentOf(name))).flatMap(({ output }) =>
        Object.keys(output ?? {}),
      ),
    ),
  );
  for (const name of [
    ...["wireguard_public_key", "ssh_authorized_keys", "worker_static_ips"],
    "left_to_do",
  ]) {
    expect(deploy).toContain(`\`${name}\``);
    expect([...outputs]).toContain(name);
  }
});

test("the problems that it shows are those of such a file", () => {
  const shown = /```\n(environments\/prod\.json is not[^`]+)\n```/.exec(deploy);
  const file = environmentFile("vpn-nat");
  file.source.subnetCidrs = ["10.213.1.0/24"];
  if (file.worker) {
    file.worker.memoryMib = 512;
    file.worker.settings = { RETENTION_DAYS: "abc" };
  }
  const read = () =>
    readEnvironment("environments/prod.json", JSON.stringify(file));
  expect(read).toThrow(shown?.[1] ?? "nothing is shown");
});
