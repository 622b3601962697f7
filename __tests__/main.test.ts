import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { imageNode } from "../scripts/image-node";
import { environmentFile } from "./support/environments";
import { contentsOf, copyKit } from "./support/kit-copy";

const example = readFileSync(
  join(__dirname, "../environments/example.json"),
  "utf8",
);

/** Without what CDKTF's command line sets, and without any credentials. */
function environmentOf(node: string): NodeJS.ProcessEnv {
  const path = `${dirname(node)}${delimiter}${process.env.PATH}`;
  return { PATH: path, HOME: "/nonexistent" };
}

function synthesize(folder: string, node = process.execPath) {
  return spawnSync(node, ["--import", "tsx", "main.ts"], {
    cwd: folder,
    env: environmentOf(node),
    encoding: "utf8",
  });
}

/** Who deploys may have a newer one than who tests. */
const nodes = [process.execPath, imageNode()].filter(
  (node) => node !== undefined,
);

test.each(nodes)(
  "the example has its four stacks, the same byte by byte each time (%s)",
  (node) => {
    using kit = copyKit({ example });
    const { status, stderr } = synthesize(kit.folder, node);
    expect([status, stderr]).toEqual([0, ""]);
    const output = join(kit.folder, "cdktf.out");
    const first = contentsOf(output);
    expect(readdirSync(join(output, "stacks"))).toEqual([
      "example-foundation",
      "example-source-database",
      "example-vpn-node",
      "example-worker",
    ]);
    expect(synthesize(kit.folder).status).toBe(0);
    expect(contentsOf(output)).toBe(first);
  },
);

test("a wrong file ends with sentences and 2, and nothing is synthesized", () => {
  const wrong = environmentFile("direct");
  using kit = copyKit({
    example,
    wrong: JSON.stringify({ ...wrong, worker: { settings: {} } }),
  });
  const { status, stderr } = synthesize(kit.folder);
  expect(status).toBe(2);
  expect(stderr).toBe(
    `${join("environments", "wrong.json")} is not a valid environment:\n  worker.account: missing: an object, { … }, is needed\n`,
  );
  expect(existsSync(join(kit.folder, "cdktf.out"))).toBe(false);
});

test.each(nodes)(
  "cdktf shows the sentences, and deploys nothing (%s)",
  (node) => {
    using kit = copyKit({ wrong: "{}" });
    const cdktf = join(kit.folder, "node_modules/.bin/cdktf");
    const { status, stdout, stderr } = spawnSync(cdktf, ["synth"], {
      cwd: kit.folder,
      env: { ...environmentOf(node), CHECKPOINT_DISABLE: "1", CI: "1" },
      encoding: "utf8",
    });
    expect(status).not.toBe(0);
    expect(`${stdout}${stderr}`).toContain("source: missing: an object");
    expect(existsSync(join(kit.folder, "cdktf.out/stacks"))).toBe(false);
  },
);
